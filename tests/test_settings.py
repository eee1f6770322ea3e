"""Settings: where values come from, and what the user reads when one is wrong."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.settings import SettingsError, load_settings
from perdure.storage import storage_from


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current directory; what `.env` exports is taken back."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("PERDURE_", "TEMPORAL_"))]:
        del os.environ[name]
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def test_defaults_lie_in_the_current_directory(folder: Path) -> None:
    """Without any setting everything has a value, and paths are absolute."""
    settings = load_settings()
    assert (settings.home, settings.workspace) == (folder / ".perdure", folder / "workspace")
    assert settings.definitions == folder / "definitions"
    assert (settings.task_queue, settings.model, settings.policy) == ("perdure", None, None)
    assert (settings.tool_modules, settings.deny_tools) == ((), ())


def test_command_line_wins_over_environment_over_dotenv_over_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source overrides the next, and an option that was not given overrides nothing."""
    (folder / ".env").write_text("PERDURE_TASK_QUEUE=file\nPERDURE_MODEL=openai:file\nPERDURE_HOME=file\n")
    monkeypatch.setenv("PERDURE_TASK_QUEUE", "environment")
    monkeypatch.setenv("PERDURE_MODEL", "openai:environment")
    settings = load_settings(task_queue="option", model=None)
    assert (settings.task_queue, settings.model) == ("option", "openai:environment")
    assert (settings.home, settings.definitions) == (folder / "file", folder / "definitions")


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and empty items do not count."""
    monkeypatch.setenv("PERDURE_TOOL_MODULES", "shop.tools, crm ,")
    monkeypatch.setenv("PERDURE_DENY_TOOLS", "shell,file_*")
    settings = load_settings()
    assert settings.tool_modules == ("shop.tools", "crm")
    assert settings.deny_tools == ("shell", "file_*")


def test_dotenv_reaches_the_environment_of_vendor_sdks_and_does_not_override_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and TEMPORAL_ variables are exported; a variable that is set stays, an empty one is not exported."""
    (folder / ".env").write_text("OPENAI_API_KEY=from-file\nexport TEMPORAL_NAMESPACE='a b' # note\nEMPTY_ONE=\n")
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    load_settings()
    assert os.environ["OPENAI_API_KEY"] == "from-environment"
    assert os.environ["TEMPORAL_NAMESPACE"] == "a b"
    assert "EMPTY_ONE" not in os.environ


def test_a_broken_dotenv_is_named_by_line_and_not_quoted(folder: Path) -> None:
    """A key pasted without its name must not come back in an error."""
    (folder / ".env").write_text("PERDURE_MODEL=openai:x\n\nsk-very-secret\n")
    with pytest.raises(SettingsError, match="line 3") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_a_dotenv_that_is_no_text_is_refused(folder: Path) -> None:
    """Bytes that are not UTF-8 are an error in words."""
    (folder / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings()


def test_an_unknown_variable_is_refused_with_the_closest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt setting would otherwise be ignored in silence."""
    monkeypatch.setenv("PERDURE_HOEM", "x")
    with pytest.raises(SettingsError, match="PERDURE_HOEM is not a setting; did you mean PERDURE_HOME"):
        load_settings()


def test_an_unknown_variable_in_dotenv_is_refused_too(folder: Path) -> None:
    """The file is held to the same names."""
    (folder / ".env").write_text("PERDURE_MODLE=openai:x\n")
    with pytest.raises(SettingsError, match=r"PERDURE_MODLE.*PERDURE_MODEL"):
        load_settings()


KEY = "k1:" + "QUFB" * 10 + "QUE="
"""An encryption key: 32 bytes in base64."""


def test_encryption_keys_are_read_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings may end up in a log or an error."""
    monkeypatch.setenv("PERDURE_ENCRYPTION_KEYS", f"{KEY},{KEY.replace('k1', 'k2')}")
    settings = load_settings()
    assert "QUFB" not in repr(settings) + settings.model_dump_json()
    keyring = storage_from(settings).keyring
    assert keyring is not None
    assert [key.id for key in keyring.keys] == ["k1", "k2"]
    assert "AAAA" not in repr(keyring)


def test_a_wrong_encryption_key_is_named_by_number_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was wrong, where, what would be valid."""
    monkeypatch.setenv("PERDURE_ENCRYPTION_KEYS", f"{KEY},k2:QUFBsecret")
    with pytest.raises(SettingsError, match=r"^PERDURE_ENCRYPTION_KEYS: item 2 \(id k2\) .*write id:key") as caught:
        load_settings()
    assert "QUFB" not in str(caught.value)


def test_blobs_lie_in_the_home_unless_a_place_is_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is absolute, a bucket stays as it is."""
    settings = load_settings()
    assert (settings.blob_place, settings.compression) == (str(folder / ".perdure" / "blobs"), "none")
    assert (settings.blob_threshold, settings.rollover_events) == (32_768, 4_000)
    assert load_settings(blobs="store").blob_place == str(folder / "store")
    assert load_settings(blobs="s3://bucket/prefix").blob_place == "s3://bucket/prefix"
    monkeypatch.setenv("PERDURE_BLOBS", "s3://Not a bucket")
    with pytest.raises(SettingsError, match=r"^PERDURE_BLOBS: "):
        storage_from(load_settings())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PERDURE_BLOBS", "http://secret.example.com", "write a folder, or s3://bucket/prefix"),
        ("PERDURE_COMPRESSION", "secret", "'none' or 'zstd'"),
        ("PERDURE_ROLLOVER_EVENTS", "0", "greater than 0"),
        ("PERDURE_BLOB_THRESHOLD", "1000", "greater than or equal to 32768"),
    ],
)
def test_wrong_settings_of_storage_are_explained(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each names its variable and what would be valid."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: .*{words}") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["blobs", "audit", "signing_key", "public_keys"])
def test_what_tools_must_not_reach_is_refused_in_the_workspace(folder: Path, name: str) -> None:
    """File tools could change what runs have stored, or read keys."""
    (folder / "work").mkdir()
    with pytest.raises(SettingsError, match=f"contains PERDURE_{name.upper()}"):
        load_settings(workspace="work", **{name: "work/here"}).open_workspace()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compose files pass empty variables on."""
    for name in ("PERDURE_MODEL", "PERDURE_TASK_QUEUE", "PERDURE_ENCRYPTION_KEYS"):
        monkeypatch.setenv(name, "")
    assert load_settings().task_queue == "perdure"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PERDURE_MODEL", "gpt-secret", "provider:model"),
        ("PERDURE_TOOL_MODULES", "fine,sk-secret", "item 2"),
        ("PERDURE_TASK_QUEUE", " ", "at least 1 character"),
    ],
)
def test_a_wrong_value_names_its_variable_and_not_the_value(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was wrong, where, what would be valid; a value may be a key in the wrong place."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}: .*{words}") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_a_wrong_option_is_named_as_on_the_command_line() -> None:
    """The user typed --model, not PERDURE_MODEL."""
    with pytest.raises(SettingsError, match=r"^--model: "):
        load_settings(model="nonsense")


def test_secrets_are_not_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings may be logged: keys stay where the SDKs read them."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "very-secret")
    monkeypatch.setenv("TEMPORAL_API_KEY", "very-secret")
    settings = load_settings()
    assert "very-secret" not in repr(settings) + settings.model_dump_json()


def test_the_default_workspace_is_made_and_a_named_one_must_exist(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typing error must not become an empty folder."""
    assert load_settings().open_workspace().is_dir()
    monkeypatch.setenv("PERDURE_WORKSPACE", "nowhere")
    with pytest.raises(SettingsError, match="nowhere is not a folder; create it"):
        load_settings().open_workspace()
    assert not (folder / "nowhere").exists()


def test_a_workspace_around_the_home_is_refused() -> None:
    """File tools could rewrite the database of all runs."""
    with pytest.raises(SettingsError, match="contains PERDURE_HOME"):
        load_settings(workspace=".").open_workspace()

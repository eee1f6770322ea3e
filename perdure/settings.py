"""Settings of one process, read once by an entry point: command line, then environment, then `.env`, then defaults."""

import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import structlog
from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from perdure.dotenv import SettingsError, export_dotenv

__all__ = ["Settings", "SettingsError", "load_settings"]

PREFIX = "PERDURE_"
TYPO = 0.85
"""Likeness from which an unknown variable counts as a misspelt setting; others may be somebody else's and only warn."""

log = structlog.get_logger()

MODEL = re.compile(r"[a-z][a-z0-9-]*:\S+")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """What a command or worker needs to know; paths are absolute, relative ones start at the current directory.

    Every field is the variable PERDURE_<FIELD>. Keys of providers are not here: their SDKs read them themselves.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    model: str | None = None
    """Default model, `provider:model`."""
    home: Path = Path(".perdure")
    """Where the embedded server keeps its database, its log and `server.json`."""
    workspace: Path = Path("workspace")
    """The folder that file tools may touch."""
    task_queue: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)] = "perdure"
    tool_modules: CommaList = ()
    """Importable modules whose tools are registered (comma-separated)."""
    definitions: Path = Path("definitions")
    """The folder with `agents/`, `policies/` and `workflows/`."""
    policy: Path | None = None
    """Default policy file."""
    deny_tools: CommaList = ()
    """Globs of tools that no run may call on this worker, whatever its policy says (comma-separated)."""
    encryption_keys: SecretStr | None = None
    """`id:base64-of-32-bytes,...`: the first encrypts, all decrypt. None: no encryption."""
    codec_token: SecretStr | None = None
    """What requests to the codec server must bear."""
    compression: Literal["none", "zstd"] = "none"
    """What is done to payloads that are not encrypted; those that are, are compressed in any case."""
    blobs: str | None = None
    """Where large content lies: a folder, or `s3://bucket/prefix` with the usual AWS_ variables; see `blob_place`."""
    blob_threshold: int = Field(default=32_768, ge=32_768)
    """Bytes of a tool's output above which it goes to the blob store."""
    public_keys: Path | None = None
    """File with the Ed25519 public keys (PEM, several may follow each other) that sign decisions."""
    signing_key: Path | None = None
    """File with the Ed25519 private key (PEM) with which the approver's page and the CLI sign decisions."""
    unsigned: Literal["allow", "deny"] | None = None
    """Whether decisions without a token count; see `unsigned_decisions`."""
    audit: Path | None = None
    """Folder of the audit logs, one file per workflow id; by default in the home. See `audit_folder`."""
    streams: str | None = None
    """Where events of runs lie: a folder, or `redis://host:port/db`; see `stream_place`."""
    public_url: str | None = None
    """Address of the approver's page, for links in notifications."""
    notify_webhook: str | None = None
    """URL that gets a signed POST for each request to people."""
    notify_secret: SecretStr | None = None
    """What signs these POSTs (HMAC-SHA256)."""
    notify_smtp: SecretStr | None = None
    """`smtp://user:password@host:port` or `smtps://...`: mail server for notifications."""
    notify_mail: CommaList = ()
    """Addresses that get a mail for each request to people (comma-separated)."""
    rollover_events: int = Field(default=4_000, gt=0)
    """Events of a history after which a run continues as new."""

    @property
    def unsigned_decisions(self) -> Literal["allow", "deny"]:
        """Whether decisions without a token count: by default only where no public keys are set."""
        return self.unsigned or ("deny" if self.public_keys else "allow")

    @property
    def audit_folder(self) -> Path:
        """Where audit logs lie."""
        return self.audit or self.home / "audit"

    @property
    def stream_place(self) -> str:
        """Where events of runs lie."""
        return self.streams or str(self.home / "streams")

    @property
    def blob_place(self) -> str:
        """Where large content lies; by default a folder in the home."""
        return self.blobs or str(self.home / "blobs")

    @field_validator("home", "workspace", "definitions", "policy", "public_keys", "signing_key", "audit")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().resolve()

    @field_validator("blobs")
    @classmethod
    def _folder_or_bucket(cls, value: str | None) -> str | None:
        if value is None or value.startswith("s3://"):
            return value
        if "://" in value:
            raise ValueError("write a folder, or s3://bucket/prefix")
        return str(Path(value).expanduser().resolve())

    @field_validator("encryption_keys")
    @classmethod
    def _readable_keys(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            # Most commands of most users have no keys and need not load a library for them.
            from perdure.keyring import Keyring  # noqa: PLC0415

            Keyring.parse(value.get_secret_value())
        return value

    @field_validator("model")
    @classmethod
    def _named_provider(cls, value: str | None) -> str | None:
        if value is not None and not MODEL.fullmatch(value):
            raise ValueError("write provider:model, for example anthropic:NAME, openai:NAME or scripted:FILE")
        return value

    @field_validator("tool_modules")
    @classmethod
    def _importable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for number, name in enumerate(value, start=1):
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f"item {number} is not the name of a module; write package.module,other_module")
        return value

    def _kept_places(self) -> Iterator[tuple[str, Path]]:
        """Files and folders that tools must not reach, by the names of their settings."""
        yield "PERDURE_HOME", self.home
        yield "PERDURE_BLOBS", Path(self.blob_place)
        yield "PERDURE_AUDIT", self.audit_folder
        for name, key in (("PERDURE_SIGNING_KEY", self.signing_key), ("PERDURE_PUBLIC_KEYS", self.public_keys)):
            if key is not None:
                yield name, key

    def open_workspace(self) -> Path:
        """Return the workspace folder; the default one is made when missing, one that was named must exist.

        Raises SettingsError also when it holds the database, blobs, logs or keys, which file tools could then reach.
        """
        for name, place in self._kept_places():
            if place.is_relative_to(self.workspace):
                raise SettingsError(
                    f"PERDURE_WORKSPACE {self.workspace} contains {name} {place}: file tools could read or change what "
                    "is kept there; choose a folder that does not"
                )
        if "workspace" not in self.model_fields_set:
            _make_folder(self.workspace)
        if not self.workspace.is_dir():
            raise SettingsError(f"PERDURE_WORKSPACE {self.workspace} is not a folder; create it or name another")
        return self.workspace


def load_settings(**overrides: object) -> Settings:
    """Export `.env` of the current directory to the environment and read the settings; for entry points only.

    Overrides are the command line's options under the names of the fields; None means not given.
    Raises SettingsError for a value that is wrong, an unknown PERDURE_ variable or a broken `.env`.
    """
    export_dotenv(Path(".env"))
    for name in sorted(name for name in os.environ if name.startswith(PREFIX)):
        _refuse_unknown(name)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**cast("dict[str, Any]", given))
    except ValidationError as error:
        raise SettingsError(_explain(error, frozenset(given))) from None


def _refuse_unknown(name: str) -> None:
    valid = [PREFIX + field.upper() for field in Settings.model_fields]
    if name in valid:
        return
    if close := difflib.get_close_matches(name, valid, n=1, cutoff=TYPO):
        raise SettingsError(f"{name} is not a setting; did you mean {close[0]}? Valid are {', '.join(valid)}")
    log.warning("settings.unknown", name=name, valid=", ".join(valid))


def _explain(error: ValidationError, given: frozenset[str]) -> str:
    # Only pydantic's words, never the input: a key may have been pasted into the wrong variable.
    lines: list[str] = []
    for item in error.errors(include_url=False, include_input=False):
        field = str(item["loc"][0]) if item["loc"] else "settings"
        name = f"--{field.replace('_', '-')}" if field in given else PREFIX + field.upper()
        lines.append(f"{name}: {item['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"the workspace {path} cannot be made: {error.strerror}; set PERDURE_WORKSPACE") from error

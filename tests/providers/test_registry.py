"""Providers by name: lazily made, injectable, and clear about names that lead nowhere."""

import subprocess
import sys

import pytest

from perdure.domain.errors import UnknownModel
from perdure.providers import Providers
from perdure.providers.scripted import ScriptedProvider


def test_models_are_split_at_the_first_colon() -> None:
    """What follows may hold colons of its own, as file names and tags do."""
    provider, name = Providers().resolve("scripted:a:b.yaml")
    assert isinstance(provider, ScriptedProvider)
    assert name == "a:b.yaml"


@pytest.mark.parametrize("model", ["gpt-6", "nobody:gpt-6", "openai:", ":gpt-6", ""])
def test_unknown_names_list_what_is_valid(model: str) -> None:
    """The message holds every prefix there is, injected ones included."""
    fake = ScriptedProvider()
    with pytest.raises(UnknownModel) as caught:
        Providers(extra={"fake": fake}).resolve(model)
    for prefix in ("anthropic:", "fake:", "openai:", "openai-chat:", "scripted:"):
        assert prefix in caught.value.message


def test_one_adapter_per_provider() -> None:
    """Connections are shared by all models of a provider."""
    providers = Providers()
    assert providers.resolve("scripted:a")[0] is providers.resolve("scripted:b")[0]


def test_extra_providers_win() -> None:
    """A test puts its own in the place of a built-in one."""
    fake = ScriptedProvider()
    assert Providers(extra={"anthropic": fake}).resolve("anthropic:m") == (fake, "m")


def test_an_sdk_is_imported_when_its_provider_is_first_used() -> None:
    """Importing the registry costs none of them; each costs itself alone."""
    look = "print([each for each in ('anthropic', 'openai') if each in sys.modules])"
    code = (
        f"import sys; from perdure.providers import Providers; p = Providers(); {look}\n"
        f"p.resolve('scripted:x'); {look}\np.resolve('openai-chat:x'); {look}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]", "['openai']"]

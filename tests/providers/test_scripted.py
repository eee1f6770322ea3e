"""The scripted stand-in: what it plays, when it fails, and how it says that a script is wrong."""

import os
from pathlib import Path

import pytest

from perdure.domain.errors import (
    ConfigurationError,
    Overloaded,
    PerdureError,
    ProviderRefused,
    RateLimited,
    UnexpectedStep,
)
from perdure.domain.messages import AssistantMessage, Message, TextPart, UserMessage
from perdure.domain.ports import Conversation, ProviderReply
from perdure.providers.scripted import ScriptedProvider
from tests.providers.helpers import asked, called, nothing, request, result

SAID = AssistantMessage(content=(TextPart(text="said"),))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Where a test writes its script."""
    return tmp_path / "script.yaml"


def write(script: Path, text: str) -> None:
    """The script of a test."""
    script.write_text(text)


async def play(script: Path, *messages: Message, attempt: int = 1) -> ProviderReply:
    """One turn of a script, by a provider of its own: nothing but the request carries the place."""
    turn = sum(isinstance(message, AssistantMessage) for message in messages)
    given = request(asked(*messages), model=str(script), attempt=attempt, turn=turn)
    return await ScriptedProvider().reply(given, nothing)


async def test_steps_are_played_by_the_number_of_assistant_turns(script: Path) -> None:
    """Text, then calls with ids that are the same every time."""
    write(script, "steps:\n- {text: Hello}\n- calls: [{tool: add, arguments: {a: 1}}, {name: add}]\n")
    assert (await play(script)).message.text == "Hello"
    second = await play(script, UserMessage(text="?"), SAID)
    assert [(call.id, call.tool, call.arguments) for call in second.message.calls] == [
        ("call_2_1", "add", {"a": 1}),
        ("call_2_2", "add", {}),
    ]
    assert (second.stop, second.message.provider) == ("calls", "scripted")
    assert second == await play(script, UserMessage(text="?"), SAID)


async def test_answers_that_left_the_conversation_count_too(script: Path) -> None:
    """The turn is what the request says, however few answers it shows."""
    write(script, "steps: [{text: one}, {text: two}, {text: three}]")
    given = request(asked(UserMessage(text="?"), SAID), model=str(script), turn=2)
    assert (await ScriptedProvider().reply(given, nothing)).message.text == "three"


async def test_a_summary_takes_no_step(script: Path) -> None:
    """It says how much there was to read, the same every time."""
    write(script, "steps: [{text: one}, {text: two}]")
    given = request(model=str(script), turn=1, purpose="summary")
    first = await ScriptedProvider().reply(given, nothing)
    assert first == await ScriptedProvider().reply(given, nothing)
    assert first.message.text == "[scripted summary of 39 characters]"
    assert (first.stop, first.unused) == ("end", "")


async def test_unused_steps_are_named(script: Path) -> None:
    """A turn without calls ends a run: what the script still holds is said, and nothing when it holds no more."""
    write(script, "steps: [{text: one}, {error: {status: 429}}, {text: two}, {text: three}]")
    assert (await play(script)).unused == f"{script}: steps 2 to 4 were not played"
    assert (await play(script, SAID, attempt=2)).unused == f"{script}: step 4 was not played"
    assert (await play(script, SAID, SAID)).unused == ""


async def test_a_call_is_no_end_and_leaves_nothing_unused(script: Path) -> None:
    """After calls the run goes on."""
    write(script, "steps: [{calls: [{tool: add}]}, {text: two}]")
    assert (await play(script)).unused == ""


async def test_an_unexpected_step_names_file_turn_and_last_words(script: Path) -> None:
    """Whoever wrote the script must see where it ended and what was asked of it."""
    write(script, "steps: [{calls: [{tool: add}]}]")
    with pytest.raises(UnexpectedStep) as caught:
        await play(script, UserMessage(text="?"), called(), result(text="five"))
    assert str(script) in caught.value.message
    assert "turn 2" in caught.value.message
    assert "result of add: 'five'" in caught.value.message


async def test_errors_come_before_the_step_they_precede(script: Path) -> None:
    """Two failures, then the answer, on the attempts of the same turn."""
    write(script, "steps: [{error: {status: 529}}, {error: {status: 429, retry_after: 2}, text: at last}]")
    with pytest.raises(Overloaded):
        await play(script, attempt=1)
    with pytest.raises(RateLimited) as caught:
        await play(script, attempt=2)
    assert caught.value.retry_after == 2
    assert (await play(script, attempt=3)).message.text == "at last"
    assert (await play(script, attempt=9)).message.text == "at last"


async def test_an_error_with_nothing_after_it_stays(script: Path) -> None:
    """Every attempt fails."""
    write(script, "steps: [{error: {status: 529}}]")
    for attempt in (1, 2, 50):
        with pytest.raises(Overloaded):
            await play(script, attempt=attempt)


async def test_words_alone_are_a_refusal(script: Path) -> None:
    """A plain string needs no second try, whatever the attempt."""
    write(script, "steps: [{error: The model is gone.}]")
    with pytest.raises(ProviderRefused, match=r"^The model is gone\.$"):
        await play(script)


async def test_an_answer_is_streamed_word_by_word(script: Path) -> None:
    """A script streams as a model does, and what it has streamed is the answer."""
    write(script, 'steps: [{text: "  one two\\nthree "}]')
    words: list[str] = []
    answer = await ScriptedProvider().reply(request(model=str(script)), words.append)
    assert words == ["  one", " two", "\nthree", " "]
    assert answer.message.text == "".join(words)


async def test_usage_is_the_same_whether_counted_at_once_or_turn_by_turn(script: Path) -> None:
    """Only new messages are measured; the count does not depend on the cache."""
    write(script, "steps: [{text: one}, {text: two}]")
    talk = Conversation([UserMessage(text="?")])
    first = await ScriptedProvider().reply(request(talk, model=str(script)), nothing)
    talk.messages = [*talk.messages, first.message]
    second = await ScriptedProvider().reply(request(talk, model=str(script), turn=1), nothing)
    assert second.usage == (await play(script, *talk.messages)).usage
    assert second.usage.input > first.usage.input > 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: [{text: a}, {}]", "step 2: a step needs text, calls or error"),
        ("steps: [{text: a}, {txt: b}]", "step 2, field txt: Extra inputs"),
        ("steps: [{calls: [{arguments: {}}]}]", "step 1, field calls.0.tool: Field required"),
        ("steps: [{calls: [{tool: x, arguments: 3}]}]", "step 1, field calls.0.arguments"),
        ("steps: [{error: {status: 200}}]", "step 1, field error.status"),
        ("steps: []", "field steps"),
        ("[]", "must be a mapping with `steps:`"),
        ("steps: [", "is not YAML"),
        ("", "must be a mapping with `steps:`"),
    ],
)
def test_a_wrong_script_says_where(script: Path, text: str, words: str) -> None:
    """File, step and field, before anything runs."""
    write(script, text)
    with pytest.raises(ConfigurationError) as caught:
        ScriptedProvider().check(str(script))
    assert str(script) in caught.value.message
    assert words in caught.value.message


def test_a_missing_script_says_where_it_was_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Relative paths are relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        ScriptedProvider().check("nowhere.yaml")
    Path("here.yaml").write_text("steps: [{text: hi}]")
    ScriptedProvider().check("here.yaml")


async def test_a_changed_script_is_read_again(script: Path) -> None:
    """An edit shows in the next turn, and an unchanged file is parsed once."""
    provider = ScriptedProvider()
    write(script, "steps: [{text: before}]")
    os.utime(script, ns=(1, 1))
    assert (await provider.reply(request(model=str(script)), nothing)).message.text == "before"
    write(script, "steps: [{text: after}]")
    os.utime(script, ns=(1, 1))
    assert (await provider.reply(request(model=str(script)), nothing)).message.text == "before"
    os.utime(script, ns=(2, 2))
    assert (await provider.reply(request(model=str(script)), nothing)).message.text == "after"


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_statuses_mean_what_they_mean_for_real_providers(script: Path, status: int) -> None:
    """A script can stand in for any failure."""
    write(script, f"steps: [{{error: {{status: {status}, message: said}}}}]")
    with pytest.raises(PerdureError, match="said") as caught:
        await play(script)
    assert caught.value.details["status"] == status

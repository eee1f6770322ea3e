"""Text on a terminal while the model still writes it."""

import io

import pytest

from perdure.cli.live import LivePerson
from perdure.cli.output import Format, Output
from perdure.domain.messages import AssistantMessage, CallPart, TextPart
from tests.cli.shell import Shell, Terminal
from tests.serving import Served
from tests.streams.helpers import event
from tests.streams.model_server import SlowModel


class Screen(io.StringIO):
    """What a person has seen."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True


@pytest.fixture
def screen() -> Screen:
    """Nothing yet."""
    return Screen()


@pytest.fixture
def person(screen: Screen) -> LivePerson:
    """Somebody at the terminal."""
    return LivePerson(Output(Format.TEXT, screen, screen))


def said(text: str, *calls: CallPart) -> AssistantMessage:
    """An answer of the model."""
    return AssistantMessage(content=(TextPart(text=text), *calls))


def test_an_answer_grows_and_is_not_repeated(person: LivePerson, screen: Screen) -> None:
    """Its calls follow it; what steers a terminal is shown as text."""
    person.hear(event(kind="segment.start"))
    person.hear(event("I look"))
    assert screen.getvalue() == "I look"
    person.hear(event(" it\x1b[2J up"))
    person.message("run", "", said("I look it\x1b[2J up", CallPart(id="1", tool="peek", arguments={})))
    assert screen.getvalue() == "I look it\\u001b[2J up\n\x1b[2m  → peek {}\x1b[0m\n"


def test_a_conversation_that_is_ahead_of_the_stream_ends_the_answer(person: LivePerson, screen: Screen) -> None:
    """Pieces that come afterwards are on the screen already."""
    person.hear(event(kind="segment.start"))
    person.hear(event("one "))
    person.message("run", "", said("one two"))
    person.hear(event("two"))
    assert screen.getvalue() == "one two"


def test_an_answer_is_known_when_the_next_one_has_begun(person: LivePerson, screen: Screen) -> None:
    """The conversation may be looked at late."""
    for segment, text in (("turn-1", "first"), ("turn-2", "\nsecond")):
        person.hear(event(kind="segment.start", segment=segment))
        person.hear(event(text, segment=segment))
    person.message("run", "", said("first"))
    person.message("run", "", said("\nsecond"))
    assert screen.getvalue() == "first\nsecond"


def test_a_lost_attempt_is_said_to_be_void(person: LivePerson, screen: Screen) -> None:
    """The next one is shown from its beginning; what the lost one still says is not."""
    person.hear(event(kind="segment.start"))
    person.hear(event("half"))
    person.hear(event(kind="segment.reset", epoch=2))
    person.hear(event(kind="segment.start", epoch=2))
    person.hear(event(" of it"))
    person.hear(event("whole", epoch=2))
    first, lost, last = screen.getvalue().split("\n")
    assert (first, last) == ("half", "whole")
    assert "attempt was lost" in lost


def test_an_answer_of_which_the_beginning_is_unknown_waits_to_be_whole(person: LivePerson, screen: Screen) -> None:
    """Who joins in the middle sees no half sentence."""
    person.hear(event("the end"))
    assert not screen.getvalue()


def test_run_shows_text_before_the_model_has_finished(shell: Shell) -> None:
    """At a terminal; the result is not written a second time."""
    model = SlowModel([f"word{number} " for number in range(40)], stalls=0, pause=0.1)
    with Served(model.app()) as server:
        own = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "live", "PERDURE_TASK_QUEUE": "live"}
        terminal = Terminal(Shell(shell.folder, shell.env | own), "run", "speak", "--model", "openai-chat:m")
        terminal.expect("word1 ")  # a warning may stand between the first words
        sent = len(model.sent)
        rest = terminal.expect("1 turn · 0 tool calls")
        assert terminal.end() == 0
    assert sent < len(model.words)
    assert rest.count("word39") == 1

"""Questions to the person at the terminal, and what their answers become."""

import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from perdure.cli.asking import ask_person
from perdure.cli.deciding import response_value
from perdure.cli.humans import approved_by_yes
from perdure.cli.rendering import answer_commands, request_lines
from perdure.domain.approvals import VERDICTS, Decide, Request, RequestKind, Verdict
from perdure.domain.policy import Level
from perdure.domain.tools import Effect


def request(kind: RequestKind = RequestKind.TOOL_CALL, level: Level = Level.CONFIRM) -> Request:
    """A request to write a file."""
    return Request(
        request_id="req-1-aa",
        kind=kind,
        title="Write \x1b[31mit",
        agent="default",
        tool="file_write",
        arguments={"path": "a'b"},
        effect=Effect.ONCE,
        level=level,
        digest="d" * 64,
        verdicts=VERDICTS[kind],
        answer_schema={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        requester="ada",
        reason="",
        asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        workflow_id="w 1",
    )


def typing(*lines: str | None) -> Callable[[str], Awaitable[str | None]]:
    """A person who types these lines."""
    left = list(lines)

    async def ask(prompt: str) -> str | None:
        assert prompt
        return left.pop(0)

    return ask


async def decided(asked: Request, *lines: str | None) -> Decide | None:
    """What the person decides."""
    return await ask_person(asked, "ada", typing(*lines), io.StringIO())


async def test_a_decision_is_bound_to_the_digest_that_was_shown() -> None:
    """Approval names the exact call, and who approved."""
    answer = await decided(request(), "maybe", "A")
    assert answer is not None
    assert (answer.verdict, answer.digest, answer.approver) == (Verdict.APPROVE, "d" * 64, "ada")


async def test_an_edit_is_asked_for_until_it_fits() -> None:
    """Text that is no JSON, and arguments against the schema, lead back to the question."""
    answer = await decided(request(), "e", "no json", "edit", '{"path": 1}', "e", '{"path": "b"}')
    assert answer is not None
    assert (answer.verdict, answer.arguments) == (Verdict.EDIT, {"path": "b"})


async def test_a_rejection_takes_a_reason_and_later_decides_nothing() -> None:
    """The reason goes along; `later` leaves the request open."""
    answer = await decided(request(), "r", "too risky")
    assert answer is not None
    assert (answer.verdict, answer.reason) == (Verdict.REJECT, "too risky")
    assert await decided(request(), "l") is None


async def test_verdicts_that_do_not_fit_are_not_offered() -> None:
    """A question cannot be approved."""
    answer = await decided(request(RequestKind.QUESTION), "a", "approve", "t", "blue")
    assert answer is not None
    assert (answer.verdict, answer.response) == (Verdict.RESPOND, "blue")


async def test_the_end_of_input_is_no_decision() -> None:
    """Ctrl-D leaves the request open."""
    with pytest.raises(EOFError):
        await decided(request(), None)


def test_yes_is_for_calls_at_confirm_only() -> None:
    """Reviews, questions and unknown outcomes need a person."""
    assert approved_by_yes(request())
    assert not approved_by_yes(request(level=Level.REVIEW))
    assert not approved_by_yes(request(RequestKind.UNKNOWN_OUTCOME))
    assert not approved_by_yes(request(RequestKind.QUESTION))


def test_the_commands_that_answer_are_quoted_for_the_shell() -> None:
    """They can be pasted as they are, whatever ids and arguments hold."""
    commands = answer_commands(request())
    assert commands[0] == "uv run starter.py approve 'w 1' req-1-aa"
    assert """'{"path": "a'"'"'b"}'""" in commands[1]
    assert len(answer_commands(request(RequestKind.QUESTION))) == 3


def test_a_request_shows_what_matters_and_cannot_steer_the_terminal() -> None:
    """Title, exact arguments, effect, level, digest and who asked; no escape sequences."""
    shown = "\n".join(request_lines(request()))
    for part in ("effect once, level confirm", '{"path": "a\'b"}', "d" * 64, "ada", "\\u001b[31m"):
        assert part in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("blue", "blue"), ("true", True), ("other", "other")])
def test_a_typed_answer_becomes_the_option_it_names(text: str, value: object) -> None:
    """Options need not be text; what is no option stays text and is judged by the run."""
    assert response_value({"enum": [2, "blue", True]}, text) == value

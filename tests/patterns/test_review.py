"""The pattern `Review`: people and agents review a plan or a result in stages."""

from typing import Any

import pytest
from pydantic import ValidationError

from perdure.domain.approvals import VERDICTS, RequestKind, Verdict
from perdure.domain.patterns.reviewing import ReviewInput, ReviewResult, content_schema, unwrapped, wrapped
from perdure.domain.run import StopReason
from perdure.testing import Environment
from tests.waiting import eventually, update

PEOPLE = {"name": "lead", "level": "confirm"}
WRITER: dict[str, Any] = {"agent": {"name": "writer", "instructions": "You write.", "tools": []}}
ITEMS = {"items": [{"id": "a", "content": "Pack"}, {"id": "b", "content": "Drive"}]}


def reviewer(name: str) -> dict[str, Any]:
    """A stage in which an agent reviews, that the script knows by its instructions."""
    return {"name": name, "agent": {"name": name, "instructions": f"You are {name}.", "tools": []}}


@pytest.mark.parametrize("content", ["text", {"items": [{"id": "a", "content": 1}]}, {"a": 1}])
def test_content_is_wrapped_and_unwrapped(content: Any) -> None:
    """What people see is an object, what comes out is what went in."""
    assert unwrapped(wrapped(content)) == content
    assert content_schema(wrapped(content))["type"] == "object"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"stages": [PEOPLE]}, "content or draft"),
        ({"content": "x", "stages": [PEOPLE, PEOPLE]}, "two are called 'lead'"),
        ({"content": "x", "stages": [{**reviewer("a"), "quorum": 2}]}, "quorum is for people"),
        ({"content": "x", "stages": [{"name": "a", "escalate_after": 5}]}, "escalate_to"),
        ({"content": {"items": [{"content": "x"}]}, "stages": [PEOPLE]}, "missing required field 'id'"),
        ({"content": "x", "content_schema": {"type": "object", "required": ["y"]}, "stages": [PEOPLE]}, "'y'"),
    ],
)
def test_mistakes_in_the_input_are_told(fields: dict[str, Any], words: str) -> None:
    """Each names what is wrong before anything runs."""
    with pytest.raises(ValidationError, match=words):
        ReviewInput.model_validate({"goal": "go", **fields})


def test_plans_and_results_take_the_same_verdicts() -> None:
    """Nobody answers one with a text of its own: an edit is the modified version."""
    wanted = (Verdict.APPROVE, Verdict.EDIT, Verdict.REJECT, Verdict.STOP)
    assert VERDICTS[RequestKind.PLAN] == VERDICTS[RequestKind.RESULT] == wanted


async def test_a_person_approves_by_signal(env: Environment) -> None:
    """Where the stage asks for `confirm`; the audit log has who asked and who decided."""
    handle = await env.start_pattern(
        "Review", ReviewResult, "Is it so?", model=env.model([]), content="It is so.", stages=[PEOPLE]
    )
    (request,) = await env.pending()
    assert (request.kind, request.arguments, request.title) == ("result", {"text": "It is so."}, "Is it so? (lead)")
    await env.approve(request, "ada")
    result = await handle.result()
    assert (result.success, result.approved, result.output, result.rounds) == (True, True, "It is so.", 1)
    assert [(each.stage, each.status, each.by) for each in result.verdicts] == [("lead", "approved", "ada")]
    assert (await env.history(handle)).count("llm.reply") == 0
    assert (await handle.query("audit"))["head"]["count"] >= 3


async def test_a_review_needs_the_digest(env: Environment) -> None:
    """At level `review` a signal is not enough, nor an edit without digest, nor one that does not fit."""
    stage = {"name": "lead", "approvers": ["ada"]}
    handle = await env.start_pattern(
        "Review", ReviewResult, "Pack", model=env.model([]), kind="plan", content=ITEMS, stages=[stage]
    )
    (request,) = await env.pending()
    assert (request.kind, request.level, request.approvers) == ("plan", "review", ("ada",))
    await env.approve(request, "ada")
    edit: dict[str, Any] = {"request_id": request.request_id, "verdict": "edit", "approver": "ada"}
    edit["arguments"] = {"items": []}
    assert (await update(handle, "decide", edit))["code"] == "digest_required"
    assert (await update(handle, "decide", {**edit, "digest": request.digest}))["code"] == "invalid_arguments"
    new = {"items": [{"id": "a", "content": "Pack"}, {"id": "c", "content": "Fly", "metadata": {"n": 1}}]}
    edit = {**edit, "digest": request.digest, "arguments": new}
    assert (await update(handle, "decide", {**edit, "approver": "bob"}))["code"] == "approver_not_allowed"
    assert (await update(handle, "decide", {**edit, "reason": "too far"}))["accepted"]
    result = await handle.result()
    (verdict,) = result.verdicts
    assert (result.approved, result.output, result.content) == (True, new, new)
    assert (verdict.status, verdict.notes, verdict.modifications) == ("modified", "too far", new)


async def test_a_rejection_goes_back_with_its_notes(env: Environment) -> None:
    """The writer reads the last version and what was said of it; the review begins again at the first stage."""
    model = env.model(
        {
            "You write.*too long*": ["Short."],
            "You write.*": ["A very long text."],
            "You are style.*": ['{"approved": true, "notes": ""}'],
        }
    )
    stages = [reviewer("style"), PEOPLE]
    handle = await env.start_pattern("Review", ReviewResult, "Write", model=model, draft=WRITER, stages=stages)
    (first,) = await env.pending()
    no = {"request_id": first.request_id, "verdict": "reject", "approver": "ada", "reason": "too long"}
    assert (await update(handle, "decide", no))["accepted"]

    async def asked() -> list[dict[str, Any]]:
        return (await handle.query("pending_approvals"))["requests"]

    again = await eventually(asked, lambda requests: [r["arguments"] for r in requests] == [{"text": "Short."}])
    await handle.signal("approve", {"request_id": again[0]["request_id"], "approver": "ada"})
    result = await handle.result()
    assert (result.approved, result.content, result.rounds) == (True, "Short.", 2)
    assert [(each.round, each.stage, each.status) for each in result.verdicts] == [
        (1, "style", "approved"),
        (1, "lead", "rejected"),
        (2, "style", "approved"),
        (2, "lead", "approved"),
    ]
    drafts = [item for item in env.scripted(model).requests if item.instructions.startswith("You write.")]
    assert "A very long text." in drafts[1].conversation.messages[0].text


async def test_rounds_are_bounded_and_the_last_version_is_kept(env: Environment) -> None:
    """A reviewer that never agrees ends the review; nothing is approved."""
    no = '{"approved": false, "notes": "no"}'
    model = env.model({"You write.*": ["A text."], "*": [no]})
    handle = await env.start_pattern(
        "Review", ReviewResult, "Write", model=model, draft=WRITER, stages=[reviewer("critic")], rounds=2
    )
    result = await handle.result()
    assert (result.success, result.approved, result.content, result.rounds) == (False, False, "A text.", 2)
    assert (result.stop_reason, len(result.verdicts)) == (StopReason.REJECTED, 2)
    assert result.error is not None
    assert (result.error.code, "2 rounds" in result.error.message) == ("REJECTED", True)


async def test_a_reviewer_that_fails_gives_no_verdict(env: Environment) -> None:
    """Neither approval nor rejection: the review ends and says who failed."""
    handle = await env.start_pattern(
        "Review", ReviewResult, "Look", model=env.model([]), content="x", stages=[reviewer("critic")]
    )
    result = await handle.result()
    assert result.error is not None
    assert (result.error.code, result.verdicts, result.output) == ("REVIEWER_FAILED", (), "x")


async def test_silence_is_no_approval(env: Environment) -> None:
    """By default it rejects and ends the review, since nobody said what to change; nothing is drafted again."""
    model = env.model({"You write.*": ["A text."]})
    handle = await env.start_pattern(
        "Review", ReviewResult, "Write", model=model, draft=WRITER, stages=[{**PEOPLE, "timeout": 0.5}]
    )
    result = await handle.result()
    assert result.error is not None
    assert (result.error.code, result.stop_reason, result.content) == (
        "REVIEW_EXPIRED",
        StopReason.REJECTED,
        "A text.",
    )
    assert [(each.status, each.by) for each in result.verdicts] == [("expired", "timeout")]
    assert len(env.scripted(model).requests) == 1


async def test_stop_keeps_what_was_reviewed(env: Environment) -> None:
    """Somebody says stop in the second stage: content and the first verdict are in the result."""
    stages = [PEOPLE, {**PEOPLE, "name": "boss"}]
    handle = await env.start_pattern("Review", ReviewResult, "Look", model=env.model([]), content="x", stages=stages)
    (first,) = await env.pending()
    await env.approve(first, "ada")

    async def asked() -> list[str]:
        return [each["title"] for each in (await handle.query("pending_approvals"))["requests"]]

    await eventually(asked, lambda titles: titles == ["Look (boss)"])
    (second,) = await env.pending()
    assert second.request_id != first.request_id
    stop = {"request_id": second.request_id, "verdict": "stop", "approver": "bob"}
    assert (await update(handle, "decide", stop))["accepted"]
    result = await handle.result()
    assert (result.stop_reason, result.content, result.approved) == (StopReason.STOPPED, "x", False)
    assert [(each.stage, each.status) for each in result.verdicts] == [("lead", "approved")]


async def test_two_people_must_agree_where_the_stage_says_so(env: Environment) -> None:
    """One approval is a vote; the second decides."""
    stage = {**PEOPLE, "quorum": 2}
    handle = await env.start_pattern("Review", ReviewResult, "Look", model=env.model([]), content="x", stages=[stage])
    (request,) = await env.pending()
    for name in ("ada", "bob"):
        yes = {"request_id": request.request_id, "verdict": "approve", "approver": name}
        assert (await update(handle, "decide", yes))["accepted"]
    result = await handle.result()
    assert [each.by for each in result.verdicts] == ["ada, bob"]

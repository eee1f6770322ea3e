"""Scenarios of several people: signed votes, a standing approval, an interruption, requests of a child."""

import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.domain.approvals import Decide
from perdure.identity import Signer
from perdure.testing import Environment, call, eventually
from tests.keys import make_pair
from tests.samples import Host
from tests.waiting import pending, state_is, update
from tests.workflows.gated import GatedModel

__all__ = ["PAIR", "below", "broken_off", "votes"]

PAIR = make_pair(Path(tempfile.mkdtemp()))
"""Keys of the people in the recording; nobody else trusts them."""

Handle = WorkflowHandle[Any, Any]


def signed(handle: Handle, request: dict[str, Any], who: str, verdict: str, **more: Any) -> dict[str, Any]:
    """A decision with the token of an approver."""
    decision = {"request_id": request["request_id"], "verdict": verdict, "approver": who, "digest": request["digest"]}
    content = Decide.model_validate({**decision, **more}).content
    token = Signer(PAIR.private).sign(
        who,
        ("approver", "operator"),
        workflow_id=handle.id,
        act=verdict,
        request_id=request["request_id"],
        digest=request["digest"],
        content=content,
    )
    return {**decision, **more, "token": token}


async def votes(env: Environment, _host: Host) -> Handle:
    """Escalation, two of two with an edit in between, decisions that do not count, a grant, signed control."""
    people = {"approvers": ["role:approver"], "quorum": 2, "escalate_after": 0.2, "escalate_to": ["boss"]}
    rules = [{"tool": "pay", "level": "confirm", **people}, {"tool": "book", "level": "confirm"}]
    turns = [call("pay", n=1), call("book", n=2), call("book", n=3), "done"]
    handle = await env.start("go", model=env.model(turns), policy={"rules": rules}, requester="ada")
    (request,) = await eventually(lambda: pending(handle), lambda found: found[0]["escalated"])
    await update(handle, "decide", {"request_id": request["request_id"], "verdict": "approve", "approver": "bob"})
    await update(handle, "decide", signed(handle, request, "ada", "approve"))
    await update(handle, "decide", signed(handle, request, "bob", "approve"))
    await update(handle, "decide", signed(handle, request, "bob", "approve"))
    await update(handle, "decide", signed(handle, request, "eve", "edit", arguments={"n": 8}))
    (request,) = await pending(handle)
    token = Signer(PAIR.private).sign("eve", ("operator",), workflow_id=handle.id, act="pause")
    await update(handle, "pause", {"by": "eve", "token": token})
    await handle.signal("pause", {"by": "eve", "token": token})
    await update(handle, "decide", signed(handle, request, "bob", "approve"))
    await update(handle, "resume", {"by": "eve"})
    (request,) = await eventually(lambda: pending(handle), lambda found: found[0]["tool"] == "book")
    grant = {"scope": "tool", "count": 1}
    await update(handle, "decide", signed(handle, request, "bob", "approve", grant=grant))
    await handle.result()
    return handle


async def broken_off(env: Environment, _host: Host) -> Handle:
    """A model call that is interrupted, a message that interrupts another one, and then the answer."""
    model = GatedModel()
    handle = await env.start("go", model=env.model(model))
    await eventually(lambda: _entered(model), lambda count: count == 1)
    await update(handle, "interrupt", {"by": "ada", "reason": "look"})
    await state_is(handle, "paused")
    await update(handle, "resume", {"by": "ada"})
    await eventually(lambda: _entered(model), lambda count: count == 2)
    await update(handle, "steer", {"text": "be brief", "mode": "interrupt", "by": "ada", "id": "s1"})
    await eventually(lambda: _entered(model), lambda count: count == 3)
    model.gate.steps.append("done")
    assert (await handle.result()).output == "done"
    return handle


async def _entered(model: GatedModel) -> int:
    return len(model.gate.entered)


async def below(env: Environment, _host: Host) -> Handle:
    """A child's requests, decided at its root by update and by signal, and then the root's own."""
    turns = [call("delegate", agent="default", goal="pay"), call("pay", n=1), call("pay", n=2), "done"]
    handle = await env.start("go", model=env.model(turns), limits={"depth": 1})
    answered = set[tuple[str, str]]()
    for verdict in ("update", "signal", "signal", "signal"):
        (request,) = await eventually(lambda: pending(handle), lambda found: _name(found[0]) not in answered)
        answered.add(_name(request))
        decision = {"request_id": request["request_id"], "approver": "bob"}
        if verdict == "update":
            await update(handle, "decide", {**decision, "verdict": "approve"})
        else:
            await handle.signal("approve", decision)
    await handle.result()
    return handle


def _name(request: dict[str, Any]) -> tuple[str, str]:
    return request["workflow_id"], request["request_id"]

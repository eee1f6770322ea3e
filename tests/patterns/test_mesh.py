"""The pattern `Mesh`: letters between peers on a real server, lost, late, too many and from outside."""

import json
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from perdure.domain.patterns.mesh import MeshResult
from perdure.domain.run import StopReason
from perdure.testing import Environment, call
from tests.waiting import eventually, update

Handle = WorkflowHandle[Any, MeshResult]
NOTHING = json.dumps({"letters": []})


def peer(name: str, **fields: Any) -> dict[str, Any]:
    """A peer that the script knows by its instructions."""
    agent = {"name": name, "instructions": f"You are {name}.", "tools": ["ask_human"]}
    return {"name": name, "agent": agent, **fields}


def draft(to: str, content: Any = "hello", kind: str = "inform", **fields: Any) -> dict[str, Any]:
    """A letter as an agent writes it."""
    return {"to": to, "type": kind, "content": content, **fields}


def write(*letters: dict[str, Any], **fields: Any) -> str:
    """What an agent answers."""
    return json.dumps({"letters": letters, **fields})


def over(result: Any = "over") -> str:
    """The answer that ends a mesh."""
    return write(done=True, result=result)


def asked(env: Environment, model: str) -> list[str]:
    """Last words of each first message that agents were asked: the letters that they read."""
    return [item.conversation.messages[0].text.rpartition("\n")[2] for item in env.scripted(model).requests]


async def shown(handle: Handle, **which: Any) -> dict[str, list[tuple[str, str]]]:
    """For each letter how far it is with whom."""
    found = await handle.query("letters", which)
    return {
        item["letter"]["id"]: [(each["peer"], each["state"]) for each in item["deliveries"]]
        for item in found["letters"]
    }


async def dead(handle: Handle) -> list[tuple[str, str, str]]:
    """Letter, peer and reason of each dead letter."""
    found = await handle.query("dead_letters")
    return [(each["id"], each["peer"], each["reason"]) for each in found["dead_letters"]]


async def mesh(env: Environment, model: str, *peers: dict[str, Any], **fields: Any) -> Handle:
    """Start a mesh that begins with ann."""
    given = {"start": "ann", "peers": peers, **fields}
    return await env.start_pattern("Mesh", MeshResult, "find out", model=model, **given)


async def test_direct_broadcast_topic_and_content(env: Environment) -> None:
    """Each way reaches those it should and nobody else; a letter to one peer passes its rule."""
    orders = {"field": "content.kind", "equals": "order"}
    order, bill = {"kind": "order"}, {"kind": "bill"}
    letters = [draft("ben"), draft("*", order), draft("*", bill), draft("topic:news"), draft("cid", bill)]
    model = env.model({"You are ann*Letter goal,*": [write(*letters)], "*": [NOTHING]})
    peers = [peer("ann"), peer("ben", topics=["news"]), peer("cid", accepts=orders), peer("dan", topics=["news"])]
    handle = await mesh(env, model, *peers)
    result = await handle.result()
    assert await shown(handle) == {
        "goal": [("ann", "handled")],
        "ann:1": [("ben", "handled")],
        "ann:2": [("ben", "handled"), ("cid", "handled"), ("dan", "handled")],
        "ann:3": [("ben", "handled"), ("dan", "handled")],
        "ann:4": [("ben", "handled"), ("dan", "handled")],
        "ann:5": [("cid", "handled")],
    }
    assert (result.outcome, result.success, result.stop_reason) == ("quiet", False, StopReason.ERROR)
    assert (result.error and result.error.code, result.undelivered, result.dead_letters) == ("QUIET", 0, ())
    assert (result.peers["ben"].handled, result.peers["ann"].sent, result.letters) == (4, 5, 6)
    assert list(await shown(handle, a="cid", b="ann")) == ["ann:2", "ann:5"]
    pages = [await handle.query("letters", {"offset": 4, "limit": n}) for n in (1, 2)]
    assert [(len(each["letters"]), each["next_offset"], each["total"]) for each in pages] == [(1, 5, 6), (2, None, 6)]


async def test_a_peer_reads_in_order_and_knows_what_was_written(env: Environment) -> None:
    """One letter at a time, with the conversation of that pair as context, its own letters among them."""
    model = env.model(
        {
            "You are ann*Letter goal,*": [write(draft("ben", "one"), draft("ben", "two"))],
            "You are ben*\n\none": [write(draft("ann", "got one"))],
            "You are ben*\n\ntwo": [over({"n": 2})],
            "*": [NOTHING],
        }
    )
    result = await (await mesh(env, model, peer("ann"), peer("ben"), ends=["ben"])).result()
    assert (result.success, result.output, result.outcome, result.ended_by) == (True, {"n": 2}, "done", "ben")
    (second,) = [item for item in env.scripted(model).requests if item.conversation.messages[0].text.endswith("\ntwo")]
    told = second.conversation.messages[0].text
    assert "ann:1, inform from ann: one" in told
    assert "ben:1, inform from you to ann: got one" in told


async def test_who_may_not_end_the_mesh_does_not(env: Environment) -> None:
    """It is a notice, and the mesh goes on."""
    model = env.model({"You are ann*": [write(draft("ben"), done=True, result="early")], "*": [over("late")]})
    handle = await mesh(env, model, peer("ann"), peer("ben"), ends=["ben"])
    assert (await handle.result()).output == "late"
    assert "mesh.not_ended" in [each["code"] for each in (await handle.query("status"))["notices"]]


async def test_two_that_never_stop_meet_the_hop_limit(env: Environment) -> None:
    """The letter over it is dead, and nobody is told: that would be one more."""
    model = env.model({"You are ann*": [write(draft("ben"))], "*": [write(draft("ann"))]})
    handle = await mesh(env, model, peer("ann"), peer("ben"), max_hops=3)
    result = await handle.result()
    assert [(each.id, each.reason, each.peer) for each in result.dead_letters] == [("ben:2", "HOP_LIMIT", "ann")]
    assert (result.outcome, result.letters, max(each.hops for each in result.transcript)) == ("quiet", 5, 4)


async def test_max_letters_bounds_the_model_calls(env: Environment) -> None:
    """Once so many are delivered the mesh ends, with all that was said."""
    model = env.model({"You are ann*": [write(draft("ben"))], "*": [write(draft("ann"))]})
    handle = await mesh(env, model, peer("ann"), peer("ben"), max_letters=4, max_hops=100)
    result = await handle.result()
    assert (result.outcome, result.turns, result.undelivered) == ("letter_limit", 4, 1)
    assert result.error is not None
    assert result.error.code == "LETTER_LIMIT"


async def test_a_letter_to_nobody_comes_back(env: Environment) -> None:
    """With the names of those there are; what is no letter at all is dead."""
    model = env.model(
        {
            "You are ann*Letter goal,*": [write(draft("bob"), draft("ben", "  "))],
            "You are ann*there is no peer*": [over("there is nobody called bob")],
        }
    )
    result = await (await mesh(env, model, peer("ann"), peer("ben"))).result()
    assert result.output == "there is nobody called bob"
    assert [(each.id, each.reason) for each in result.dead_letters] == [("ann:1", "UNKNOWN_PEER"), ("ann:2", "INVALID")]
    assert "peers: ann, ben" in result.dead_letters[0].words


async def test_an_agent_that_fails_answers_with_an_error(env: Environment) -> None:
    """Malformed answers are repaired by the agent; what stays wrong is told to who wrote the letter."""
    model = env.model(
        {
            "You are ann*Letter goal,*": ["no JSON", write(draft("ben"))],
            "You are ben*": ["one", "two", "three"],
            "You are ann*could not deal with it*": [over("ben fails")],
        }
    )
    result = await (await mesh(env, model, peer("ann"), peer("ben"))).result()
    assert (result.output, result.peers["ben"].failed, result.peers["ben"].handled) == ("ben fails", 1, 1)
    (error,) = [each for each in result.transcript if each.source == "mesh"]
    assert (error.type, error.correlation_id) == ("error", "ann:1")
    assert "InvalidOutput" in str(error.content)


async def test_a_letter_is_repeated_until_it_is_acknowledged(env: Environment) -> None:
    """It goes astray to another peer, whose acknowledgement does not count, until the way is right again."""
    model = env.model({"You are ben*Letter m1,*": [over("it arrived")], "*": [NOTHING]})
    handle = await mesh(env, model, peer("ann"), peer("ben"), ack_seconds=1, attempts=10, quiet_seconds=600)

    async def attempts() -> int:
        found = await handle.query("letters", {"offset": 1})
        return sum(each["attempts"] for item in found["letters"] for each in item["deliveries"])

    await eventually(lambda: shown(handle), lambda all_: all_.get("goal") == [("ann", "handled")])
    await handle.signal("joined", {"peer": "ben", "workflow_id": f"{handle.id}.1"})
    await update(handle, "send", {**draft("ben"), "id": "m1"})
    await eventually(attempts, lambda count: count > 1)
    assert await shown(handle, a="ben") == {"m1": [("ben", "waiting")]}
    await handle.signal("joined", {"peer": "ben", "workflow_id": f"{handle.id}.2"})
    result = await handle.result()
    assert (result.output, result.dead_letters) == ("it arrived", ())
    assert result.peers["ben"].model_dump() == {"sent": 0, "received": 1, "handled": 1, "failed": 0}


async def test_a_letter_delivered_twice_is_dropped_by_the_peer(env: Environment) -> None:
    """It is acknowledged again, and its agent is asked once."""
    model = env.model({"You are ann*": [call("ask_human", question="When?"), over()], "*": [NOTHING]})
    handle = await mesh(env, model, peer("ann"), peer("ben"))
    (request,) = await env.pending()
    (first,) = (await handle.query("letters"))["letters"]
    ann = env.client.get_workflow_handle(f"{handle.id}.1")
    await ann.signal("deliver", first["letter"])
    answer = {"request_id": request.request_id, "verdict": "respond", "response": "now", "approver": "ada"}
    assert (await update(handle, "decide", answer))["accepted"]
    result = await handle.result()
    assert (result.output, result.letters, result.peers["ann"].handled) == ("over", 1, 1)
    acks = [
        event.signal_external_workflow_execution_initiated_event_attributes.input.payloads[0].data
        for event in (await ann.fetch_history()).events
        if event.signal_external_workflow_execution_initiated_event_attributes.signal_name == "ack"
    ]
    assert [json.loads(data)["id"] for data in acks] == ["goal", "goal"]


async def test_letters_to_a_terminated_peer_are_dead_and_stay_so(env: Environment) -> None:
    """What it had not dealt with too; who wrote is told, the others go on, a redrive says the same again."""
    model = env.model(
        {
            "You are ann*Letter goal,*": [write(draft("ben", "one"), draft("ben", "two"))],
            "You are ben*": [call("ask_human", question="When?")],
            "*": [NOTHING],
        }
    )
    handle = await mesh(env, model, peer("ann"), peer("ben"), quiet_seconds=600)
    await env.pending()
    await eventually(lambda: shown(handle), lambda all_: all_.get("ann:2") == [("ben", "taken")])
    await env.client.get_workflow_handle(f"{handle.id}.2").terminate()
    found = await eventually(lambda: dead(handle), lambda found: len(found) == 2)
    assert found == [("ann:1", "ben", "PEER_CLOSED"), ("ann:2", "ben", "PEER_CLOSED")]
    again = await update(handle, "redrive", {"ids": ["ann:2", "ann:9"], "by": "ada"})
    assert [(each["id"], each["state"], each["reason"]) for each in again["letters"]] == [
        ("ann:2", "dead", "PEER_CLOSED")
    ]
    assert again["unknown"] == ["ann:9"]
    sent = await update(handle, "send", draft("ben", "three"))
    assert (sent["id"], sent["to"]) == ("outside:1", ["ben"])
    await eventually(lambda: dead(handle), lambda found: found[-1] == ("outside:1", "ben", "PEER_CLOSED"))
    await eventually(lambda: shown(handle), lambda all_: all_.get("mesh:2") == [("ann", "handled")])
    await update(handle, "stop", {"by": "ada"})
    result = await handle.result()
    assert (result.stop_reason, result.outcome, len(result.dead_letters)) == (StopReason.STOPPED, "ended", 3)


async def test_a_dead_letter_is_redriven(env: Environment) -> None:
    """One over the hop limit, by somebody who answers for it: it arrives, under its id."""
    model = env.model(
        {
            "You are ann*Letter goal,*": [write(draft("ben", "a"))],
            "You are ben*Letter ann:1,*": [write(draft("ann", "b"))],
            "You are ann*Letter ben:1,*": [over("it arrived")],
        }
    )
    handle = await mesh(env, model, peer("ann"), peer("ben"), max_hops=1, quiet_seconds=600)
    await eventually(lambda: dead(handle), lambda found: found == [("ben:1", "ann", "HOP_LIMIT")])
    again = await update(handle, "redrive", {"by": "ada"})
    assert again["letters"] == [{"id": "ben:1", "state": "waiting", "reason": None, "words": ""}]
    result = await handle.result()
    assert (result.output, result.dead_letters) == ("it arrived", ())


async def test_a_request_without_an_answer_is_answered_with_an_error(env: Environment) -> None:
    """After its time, while the one that was asked is still at it; until then it shows as pending."""
    model = env.model(
        {
            "You are ann*Letter goal,*": [write(draft("ben", "when?", "request"))],
            "You are ben*": [call("ask_human", question="When?")],
            "You are ann*REQUEST_TIMEOUT*": [over("no answer")],
        }
    )
    handle = await mesh(env, model, peer("ann"), peer("ben"), request_seconds=3)
    await env.pending()
    (waiting,) = (await handle.query("pending_requests"))["requests"]
    assert (waiting["id"], waiting["source"], waiting["to"]) == ("ann:1", "ann", ["ben"])
    result = await handle.result()
    (error,) = [each for each in result.transcript if each.source == "mesh"]
    assert (result.output, error.target, error.correlation_id) == ("no answer", "ann", "ann:1")
    assert (await handle.query("pending_requests"))["requests"] == []


async def test_people_write_and_are_answered(env: Environment) -> None:
    """By update and by signal; a repeated id counts once, and an answer goes to `outside`."""
    model = env.model(
        {
            "You are ben*\n\nhow many?*": [write(draft("outside", "three", "response"))],
            "You are ben*\n\nthank you*": [over("told")],
            "*": [NOTHING],
        }
    )
    handle = await mesh(env, model, peer("ann"), peer("ben"), quiet_seconds=600)
    question = {**draft("ben", "how many?", "request"), "id": "q1", "by": "ada"}
    assert await update(handle, "send", question) == {"id": "q1", "to": ["ben"], "duplicate": False}
    assert (await update(handle, "send", question))["duplicate"]
    await eventually(lambda: shown(handle), lambda all_: all_.get("ben:1") == [("outside", "handled")])
    (answer,) = (await handle.query("letters", {"offset": 2, "limit": 1}))["letters"]
    assert (answer["letter"]["content"], answer["letter"]["correlation_id"]) == ("three", "q1")
    await handle.signal("send", draft("bob"))
    await handle.signal("send", {"to": "ben"})

    async def ignored() -> set[str]:
        notices = (await handle.query("status"))["notices"]
        return {each["text"] for each in notices if each["code"] == "signal.ignored"}

    words = {"send: nobody takes 'bob'; peers: ann, ben", "signal send: content: required, but missing"}
    await eventually(ignored, lambda found: found == words)
    await handle.signal("send", draft("ben", "thank you"))
    result = await handle.result()
    assert (result.output, asked(env, model).count('metadata: {"by":"ada"}')) == ("told", 1)


async def test_what_is_sent_wrongly_is_refused_with_words(env: Environment) -> None:
    """By update: a wrong field, an unknown peer, and whatever comes when the mesh is over."""
    model = env.model({"*": [NOTHING]})
    handle = await mesh(env, model, peer("ann"), peer("ben"), quiet_seconds=600)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"to": "ben", "content": "", "type": "inform"}, "update send: content: it is empty"),
        ({"to": "ben", "content": "x", "mood": 1}, "update send: mood: unknown field"),
        (draft("bob"), "send: nobody takes 'bob'; peers: ann, ben"),
        (draft("topic:x"), "send: nobody takes 'topic:x'; peers: ann, ben"),
    ]
    for payload, words in wrong:
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await update(handle, "send", payload)
        assert isinstance(caught.value.cause, ApplicationError)
        assert caught.value.cause.message == words
    await update(handle, "stop", {"by": "ada"})
    assert (await handle.result()).stop_reason is StopReason.STOPPED


async def test_stop_ends_the_peers_and_keeps_what_was_said(env: Environment) -> None:
    """A peer in the middle of a letter is stopped too."""
    model = env.model(
        {
            "You are ann*": [write(draft("ben", "one"))],
            "You are ben*": [call("ask_human", question="When?")],
        }
    )
    handle = await mesh(env, model, peer("ann"), peer("ben"))
    await env.pending()
    progress = (await handle.query("status"))["progress"]
    assert (progress["stage"], progress["done"], progress["total"]) == ("letters", 1, 2)
    await update(handle, "stop", {"by": "ada", "reason": "enough"})
    result = await handle.result()
    assert (result.success, result.stop_reason, result.output) == (False, StopReason.STOPPED, "one")
    assert [each.id for each in result.transcript] == ["goal", "ann:1"]
    assert (result.turns, {child["state"] for child in (await handle.query("status"))["children"]}) == (
        2,
        {"completed"},
    )


async def test_the_time_of_a_mesh_is_bounded(env: Environment) -> None:
    """What was said until then is kept."""
    model = env.model({"*": [call("ask_human", question="When?")]})
    result = await (await mesh(env, model, peer("ann"), seconds=1)).result()
    assert (result.outcome, result.stop_reason, result.undelivered) == ("time_limit", StopReason.TIME_LIMIT, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"start": "bob"}, "start: there is no peer 'bob'; peers: ann, ben"),
        ({"ends": ["ann", "cid"]}, "ends: there is no peer 'cid'"),
        ({"peers": [peer("ann"), peer("ann")]}, "two of them are called 'ann'"),
        ({"peers": [peer("ann"), peer("outside")]}, "'outside' is not the name of a peer"),
        ({"max_letters": 3_000}, "max_letters"),
    ],
)
async def test_a_mistake_in_the_input_is_found_before_anything_runs(
    env: Environment, fields: dict[str, Any], words: str
) -> None:
    """With words for it."""
    given = {"start": "ann", "peers": [peer("ann"), peer("ben")], **fields}
    handle = await env.start_pattern("Mesh", MeshResult, "go", model=env.model([]), **given)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert words in str(caught.value.__cause__)


async def test_a_peer_alone_is_refused(env: Environment) -> None:
    """It says what to start instead."""
    handle = await env.start_pattern("Peer", MeshResult, "go", model=env.model([]), name="ann")
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert "start that one" in str(caught.value.__cause__)

"""The pattern `Handoff`: the graph, what the next agent sees, and its bounds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perdure.domain.arguments import check_value
from perdure.domain.patterns.handoff import HandoffInput, HandoffResult, Hop, answer_schema, seen, too_often
from perdure.domain.run import StopReason
from perdure.testing import Environment

NAMES = st.sampled_from(["a", "b", "c"])
HOPS = st.lists(st.builds(Hop, by=NAMES, to=NAMES, message=st.text(max_size=5)), max_size=10)


def agent(name: str, *to: Any) -> dict[str, Any]:
    """An agent that the script knows by its instructions, and to whom it may hand over."""
    return {"agent": {"name": name, "instructions": f"You are {name}.", "tools": []}, "hands_off_to": list(to)}


def hand(to: str, message: str) -> str:
    """Answer of an agent that hands over."""
    return f'{{"handoff": "{to}", "message": "{message}"}}'


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"agents": {"desk": {}}, "start": "dsk"}, "no agent 'dsk'. Did you mean 'desk'"),
        ({"agents": {"desk": {"hands_off_to": ["bilin"]}, "billing": {}}, "start": "desk"}, "Did you mean 'billing'"),
        ({"agents": {"desk": {"hands_off_to": ["desk"]}}, "start": "desk"}, "to itself"),
        ({"agents": {"a": {"hands_off_to": ["b", {"to": "b"}]}, "b": {}}, "start": "a"}, "stands there twice"),
        ({"agents": {"a": {}, "b": {"hands_off_to": ["a"]}}, "start": "a"}, "agents.b: nobody reaches it from 'a'"),
        ({"agents": {}, "start": "a"}, "at least 1"),
    ],
)
def test_mistakes_in_the_graph_are_told(fields: dict[str, Any], words: str) -> None:
    """Unknown names come with a suggestion; an agent that nobody reaches is a mistake."""
    with pytest.raises(ValidationError, match=words):
        HandoffInput.model_validate({"goal": "go", **fields})


@given(HOPS)
def test_the_filter_shows_no_more_than_it_says(hops: list[Hop]) -> None:
    """The last message, all of them, or none."""
    assert [item.text for item in seen(hops, "all")] == [hop.message for hop in hops]
    assert [item.text for item in seen(hops, "last")] == [hop.message for hop in hops][-1:]
    assert seen(hops, "none") == []


@given(HOPS, NAMES, NAMES, st.integers(1, 3))
def test_a_handoff_is_allowed_so_many_times(hops: list[Hop], by: str, to: str, repeats: int) -> None:
    """Counted by the pair, in its direction."""
    assert too_often(hops, by, to, repeats) == (sum((hop.by, hop.to) == (by, to) for hop in hops) >= repeats)


def test_an_answer_is_final_or_an_allowed_handoff() -> None:
    """Never both, never to somebody else, and a handoff says something."""
    schema = answer_schema(["b"])
    assert check_value(schema, {"final": "x"}) == check_value(schema, {"handoff": "b", "message": "m"}) == ""
    wrongs: list[Any] = [{"handoff": "c", "message": "m"}, {"handoff": "b"}, {"final": "x", "handoff": "b"}, {}]
    for wrong in wrongs:
        assert check_value(schema, wrong)
    assert check_value(answer_schema([]), {"handoff": "b", "message": "m"})


async def test_the_next_agent_sees_what_the_edge_says(env: Environment) -> None:
    """All messages along one edge, none along another, the last one elsewhere; who ends it is told."""
    model = env.model(
        {
            "You are a.*": [hand("b", "first")],
            "You are b.*": [hand("c", "second")],
            "You are c.*": [hand("d", "third")],
            "You are d.*": ['{"final": "done"}'],
        }
    )
    agents = {
        "a": agent("a", "b"),
        "b": agent("b", {"to": "c", "sees": "all"}),
        "c": agent("c", {"to": "d", "sees": "none"}),
        "d": agent("d"),
    }
    handle = await env.start_pattern("Handoff", HandoffResult, "go", model=model, agents=agents, start="a")
    result = await handle.result()
    assert (result.success, result.output, result.ended_by) == (True, "done", "d")
    assert result.path == ("a", "b", "c", "d")
    texts = [item.conversation.messages[0].text for item in env.scripted(model).requests]
    shown = [[word for word in ("first", "second", "third") if word in text] for text in texts]
    assert shown == [[], ["first"], ["first", "second"], []]


async def test_going_in_circles_ends(env: Environment) -> None:
    """The same handoff a third time is refused; the path and the last message are there."""
    model = env.model({"You are a.*": [hand("b", "yours")], "You are b.*": [hand("a", "no, yours")]})
    agents = {"a": agent("a", "b"), "b": agent("b", "a")}
    handle = await env.start_pattern("Handoff", HandoffResult, "go", model=model, agents=agents, start="a")
    result = await handle.result()
    assert result.error is not None
    assert (result.success, result.error.code, result.stop_reason) == (
        False,
        "HANDOFF_LOOP",
        StopReason.LOOP_DETECTED,
    )
    assert (result.path, result.output) == (("a", "b", "a", "b", "a"), "yours")
    again = await env.start_pattern(
        "Handoff", HandoffResult, "go", model=model, agents=agents, start="a", max_handoffs=1
    )
    bounded = await again.result()
    assert bounded.error is not None
    assert (bounded.error.code, bounded.path, bounded.output) == ("MAX_HANDOFFS", ("a", "b"), "no, yours")


async def test_a_handoff_that_is_not_allowed_is_repaired_or_fails(env: Environment) -> None:
    """The agent is told; one that goes on naming a stranger has failed, and nobody was handed anything."""
    agents = {"a": agent("a", "b"), "b": agent("b")}
    model = env.model({"You are a.*": [hand("c", "x"), hand("b", "y")], "*": ['{"final": "ok"}']})
    handle = await env.start_pattern("Handoff", HandoffResult, "go", model=model, agents=agents, start="a")
    assert (await handle.result()).path == ("a", "b")
    model = env.model([hand("c", "x")] * 10)
    handle = await env.start_pattern("Handoff", HandoffResult, "go", model=model, agents=agents, start="a")
    result = await handle.result()
    assert result.error is not None
    assert (result.error.code, result.path, result.hops, result.ended_by) == ("AGENT_FAILED", ("a",), (), "")

"""Effects: keys, retries, unknown outcomes, and delegation to a child run."""

from typing import Any

from perdure.testing import ALLOW_ALL, Environment, call
from tests.samples import Host
from tests.waiting import pending, update


async def lose_one(env: Environment, host: Host) -> tuple[Any, dict[str, Any]]:
    """Start a payment whose answer is lost, up to the question about it."""
    host.lose = 1
    handle = await env.start("pay", model=env.model([call("pay", n=5), "ok"]), policy=ALLOW_ALL)
    (request,) = await pending(handle)
    assert (request["kind"], request["verdicts"]) == ("unknown_outcome", ["approve", "respond", "reject", "stop"])
    assert "bank closed" in request["reason"]
    assert (await handle.query("ledger"))["calls"][0]["state"] == "unknown"
    return handle, request


async def test_a_lost_answer_asks_a_human_who_says_it_happened(env: Environment, host: Host) -> None:
    """Respond gives the result; the effect is not repeated."""
    handle, request = await lose_one(env, host)
    answer = {"request_id": request["request_id"], "verdict": "respond", "response": "paid 5", "approver": "bob"}
    assert (await update(handle, "decide", answer))["accepted"]
    assert (await handle.result()).success
    assert host.log == [("pay", 5)]
    assert (await env.history()).count("tools.call") == 1


async def test_a_human_who_says_it_did_not_happen_lets_the_model_know(env: Environment, host: Host) -> None:
    """Reject is an error result; nothing runs again by itself."""
    handle, request = await lose_one(env, host)
    await handle.signal("reject", {"request_id": request["request_id"], "approver": "bob"})
    assert (await handle.result()).success
    assert (await handle.query("ledger"))["calls"][0]["error"] == "NOT_HAPPENED"
    assert host.log == [("pay", 5)]


async def test_approving_runs_it_again_under_the_same_key_when_the_first_attempt_is_over(
    env: Environment, host: Host
) -> None:
    """The second attempt waits for the end of the first one's time."""
    handle, request = await lose_one(env, host)
    await handle.signal("approve", {"request_id": request["request_id"], "approver": "bob"})
    assert (await handle.result()).success
    assert host.log == [("pay", 5), ("pay", 5)]
    assert len(set(host.keys)) == 1


async def test_a_read_back_that_finds_the_effect_settles_it_without_a_human(env: Environment, host: Host) -> None:
    """The hook knows the key; its answer is the result."""

    class Finds(dict[str, str]):
        def __contains__(self, key: object) -> bool:
            return key in host.keys

        def __getitem__(self, key: str) -> str:
            return f"wired under {key[:4]}"

    host.known = Finds()
    model = env.model([call("wire", n=5), "ok"])
    result = await env.run("wire", model=model, policy=ALLOW_ALL)
    assert result.success
    assert host.log == [("wire", 5)]
    assert env.scripted(model).requests[-1].conversation.messages[-1].text.startswith("wired under")  # type: ignore[union-attr]
    assert (await env.history()).count("tools.verify") == 1


async def test_an_effect_that_happens_late_is_found_before_it_would_be_repeated(env: Environment, host: Host) -> None:
    """The read-back finds nothing at first; it is asked again when the lost attempt can no longer be at work."""

    class FoundLate(dict[str, str]):
        looks = 0

        def __contains__(self, key: object) -> bool:
            self.looks += 1
            return self.looks > 1

        def __getitem__(self, key: str) -> str:
            return "wired, late"

    host.known = FoundLate()
    result = await env.run("wire", model=env.model([call("wire", n=5), "ok"]), policy=ALLOW_ALL)
    assert result.success
    assert host.log == [("wire", 5)]
    history = await env.history()
    assert (history.count("tools.call"), history.count("tools.verify")) == (1, 2)

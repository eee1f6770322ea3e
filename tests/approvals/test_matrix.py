"""Every decision of the matrix, by the plain `temporal` CLI and by HTTP: the answer, the effect, the audit entry."""

import pytest

from tests.approvals.cases import CASES, DOORS, Case
from tests.approvals.outside import Outside

ROWS = [pytest.param(case, doors, id=f"{case.name}-{'-'.join(doors)}") for case in CASES for doors in case.groups]


@pytest.mark.parametrize(("case", "doors"), ROWS)
async def test_a_decision_has_the_stated_outcome_and_leaves_its_entry(
    outside: Outside, case: Case, doors: tuple[str, ...]
) -> None:
    """What was told, what is in the audit log, what waits then, and after the end what the tool has done."""
    run, request = await case.begin(outside)
    for number, door in enumerate(doors):
        payload = case.said.payload(outside, request)
        assert await DOORS[door](run, payload) == case.told(door)
        await case.check_entry(run, payload, door, number)
    waits = await run.waiting(other_than=request["request_id"] * case.settles)
    gone_on = waits["request_id"] != request["request_id"]
    assert (gone_on, waits["arguments"]["text"].endswith("waits")) == (case.settles or case.late,) * 2
    assert (await run.end())["stop_reason"] == "stopped"
    assert run.sent == list(case.sent)

"""Every pattern comes to what its case says, with the model that is shipped for scripts."""

from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType

from perdure.testing import Environment
from tests.patterns.cases import CASES, Case
from workflows import WORKFLOWS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_pattern_comes_to_its_result(case: Case, env: Environment, tmp_path: Path) -> None:
    """The result is the expected one, and no workflow task failed on the way."""
    given = {**case.input, "model": f"scripted:{case.script_file(tmp_path)}"}
    run = await env.client.start_workflow(case.workflow, given, id=env.task_queue, task_queue=env.task_queue)
    result = await run.result()
    assert case.seen(result) == case.expect
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    assert [event for event in (await env.history(run)).events if event.event_type == failed] == []


def test_every_pattern_has_a_case() -> None:
    """None is left out of the tests that go over all cases."""
    patterns = {workflow.__name__ for workflow in WORKFLOWS} - {"Agent", "Session", "Peer"}
    assert {case.workflow for case in CASES} >= patterns

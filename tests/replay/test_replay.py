"""The replay gate: today's workflow code must take yesterday's decisions."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from perdure.runtime import PerdurePlugin
from tests.patterns.cases import CASES
from tests.replay.record import HISTORIES, SCENARIOS
from workflows import WORKFLOWS

RECORDED = sorted(HISTORIES.glob("*.json"))


def read(path: Path) -> WorkflowHistory:
    """One recorded history, under the id that it had: ids of children are made from it."""
    text = path.read_text(encoding="utf-8")
    started = json.loads(text)["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


def type_of(path: Path) -> str:
    """Workflow type of a recorded history."""
    started = json.loads(path.read_text(encoding="utf-8"))["events"][0]["workflowExecutionStartedEventAttributes"]
    return started["workflowType"]["name"]


def replayer(kind: str) -> Replayer:
    """A replayer as workers are configured, but with all of our code in the sandbox, where each type is loaded anew."""
    workflows = [workflow for workflow in WORKFLOWS if workflow.__name__ == kind]
    return Replayer(workflows=workflows, plugins=[PerdurePlugin(strict=True)])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded_history_replays(path: Path) -> None:
    """No recorded decision is taken differently."""
    result = await replayer(type_of(path)).replay_workflow(read(path), raise_on_replay_failure=False)
    assert result.replay_failure is None


def test_every_workflow_and_scenario_has_a_history() -> None:
    """A workflow without a history is not protected by the gate."""
    assert {type_of(path) for path in RECORDED} >= {workflow.__name__ for workflow in WORKFLOWS}
    missing = [each.__name__ for each in SCENARIOS if not any(HISTORIES.glob(f"agent-{each.__name__}*.json"))]
    missing += [case.name for case in CASES if not any(HISTORIES.glob(f"pattern-{case.name}*.json"))]
    assert missing == []


async def test_the_gate_notices_a_different_decision() -> None:
    """A history in which another activity was scheduled fails: the gate can fail."""
    text = (HISTORIES / "agent-tools.json").read_text(encoding="utf-8").replace('"llm.reply"', '"llm.other"', 1)
    result = await replayer("Agent").replay_workflow(
        WorkflowHistory.from_json("tampered", text), raise_on_replay_failure=False
    )
    assert result.replay_failure is not None

"""The workflow `Agent`: one durable run, continued as new for as long as its work lasts."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.domain.messages import UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.run import AgentInput, RunResult, RunState
from perdure.domain.state import Carried
from workflows import calls
from workflows.carry import Rollover, archive, restore, snapshot
from workflows.control import RolloverError
from workflows.handlers import Handlers
from workflows.loop import run_agent
from workflows.payloads import is_carried, parse

__all__ = ["CANCELLED_SECONDS", "Agent"]

CANCELLED_SECONDS = 30.0
"""For the last entries of the audit log of a run that is cancelled, which must not hang when the log is away."""


@workflow.defn(name="Agent")
class Agent(Handlers):
    """An agent that pursues a goal with its model and tools until it is done, stopped or out of budget."""

    @workflow.init
    def __init__(self, *payload: JsonValue) -> None:
        """Take up the state of the run that this one continues, before any handler sees it; else start idle."""
        super().__init__()
        if is_carried(payload):
            restore(self._run, parse(Carried, payload, "state of the run before"))
        self._run.control.rolling = Rollover(self._run).due

    @workflow.run
    async def run(self, *payload: JsonValue) -> RunResult:
        """Run to the end; fails with our error code as type when configuration or provider is at fault."""
        run = self._run
        try:
            result = await self._work(payload)
        except asyncio.CancelledError:
            run.control.enter(RunState.CANCELLED)
            await run.journal.end("cancelled", within=CANCELLED_SECONDS)
            raise
        except ApplicationError:
            run.control.enter(RunState.FAILED)
            await run.journal.end("failed")
            raise
        run.control.enter(RunState.COMPLETED if result.success else RunState.FAILED)
        await run.journal.end(result.stop_reason)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return result

    async def _work(self, payload: tuple[JsonValue, ...]) -> RunResult:
        run = self._run
        if not run.is_prepared:
            run.begin(_own(parse(AgentInput, payload, "input of Agent")))
            run.prepared(await calls.prepare(run.given))
            run.log.add(UserMessage(text=run.given.first_message))
        run.control.enter(RunState.EXECUTING)
        try:
            return await run_agent(run)
        except RolloverError:
            await archive(run)
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(args=[snapshot(run)])


def _own(given: AgentInput) -> AgentInput:
    """Refuse a lineage that the server does not confirm: only a run that delegates may set it."""
    parent = workflow.info().parent
    if given.lineage is not None and (parent is None or parent.workflow_id != given.lineage.parent):
        msg = "input of Agent: lineage: it is set by runs that delegate; leave it out"
        raise ApplicationError(msg, type="InvalidInput", non_retryable=True)
    return given

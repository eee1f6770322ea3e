"""The workflow `Agent`: one durable run, continued as new for as long as its work lasts."""

from temporalio import workflow

from perdure.domain.messages import UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.run import AgentInput, RunResult, RunState
from perdure.domain.state import Carried
from workflows import calls
from workflows.carry import Rollover, archive, restore, snapshot
from workflows.control import RolloverError
from workflows.handlers import Handlers
from workflows.lifetime import live
from workflows.loop import run_agent
from workflows.payloads import is_carried, own, parse

__all__ = ["Agent"]


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
        return await live(self._run, self._work(payload))

    async def _work(self, payload: tuple[JsonValue, ...]) -> RunResult:
        run = self._run
        if not run.is_prepared:
            run.begin(own(parse(AgentInput, payload, "input of Agent")))
            run.prepared(await calls.prepare(run.given))
            run.log.add(UserMessage(text=run.given.first_message))
        run.control.enter(RunState.EXECUTING)
        try:
            return await run_agent(run)
        except RolloverError:
            await archive(run)
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(args=[snapshot(run)])

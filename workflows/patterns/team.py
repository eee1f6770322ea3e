"""Those who do the steps of a pattern: child runs on leased budgets, whose failures are data."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError
from temporalio import workflow

from perdure.domain.agents import AgentSpec
from perdure.domain.control import ControlPayload
from perdure.domain.errors import ErrorInfo
from perdure.domain.explain import explain
from perdure.domain.leases import Lease, Leases
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import MAX_STEPS, Done, PatternInput, Step
from perdure.domain.results import StepResult
from perdure.domain.run import AgentInput, ContextItem, Progress, StopReason, Usage
from workflows.children import ChildEnd, inherited, level_below, run_child, seconds_left, tell_child
from workflows.control import RunEndedError
from workflows.run import AgentRun

__all__ = ["Team", "not_run"]

PATIENCE = timedelta(seconds=30)
"""For a child that was told to stop; after it the child is cancelled, and its lease counts as spent."""

Enough = Callable[[Sequence[Done]], bool]


class Team:
    """Runs the steps of one pattern.

    A step is a child run: it has its own conversation and history, asks people at the root, hears what the pattern is
    told, and is on a lease of the pattern's budget. What goes wrong with it is in its `Done`; only the end of the
    pattern itself raises (RunEndedError: stopped, a deadline, too many steps).
    """

    def __init__(self, run: AgentRun) -> None:
        """Work for this run."""
        self._run = run
        self._leases = Leases()
        self._started = 0
        self._heard: list[ContextItem] = []
        self.reached: JsonValue = ""
        """Output of the last step that succeeded, or what the pattern has kept."""
        self.kept: dict[str, object] = {}
        """Fields of the result so far, for a pattern that is stopped."""
        self._fixed = False

    def keep(self, output: JsonValue, **details: object) -> None:
        """From now on this is what was reached, with these fields of the result, should the pattern end early."""
        self.reached, self.kept, self._fixed = output, details, True

    def stage(self, name: str, total: int | None = None) -> None:
        """Show what is being done; `total` are the steps that are known so far, in all."""
        done = len(self._run.steps.closed)
        self._run.progress = Progress(stage=name, done=done, total=max(done, total or done))
        self._run.changed()

    async def ask(self, step: Step, parts: int = 1) -> Done:
        """Run one step, again when it fails and may be repeated; it gets one of `parts` parts of the free budget."""
        attempt = 0
        while True:
            done = await self._once(step, parts)
            attempt += 1
            if done.success or attempt > step.retries:
                break
        self._run.steps.add(done.report)
        if done.success and not self._fixed:
            self.reached = done.output
        if self._run.progress is not None:
            over = self._run.progress.done + 1
            self._run.progress = self._run.progress.model_copy(
                update={"done": over, "total": max(over, self._run.progress.total)}
            )
        self._run.changed()
        return done

    async def ask_all(
        self, steps: Sequence[Step], at_once: int, enough: Enough | None = None, after: int | None = None
    ) -> list[Done]:
        """Run steps side by side, at most `at_once`, and return what each came to, in their order.

        As soon as `enough` says so of those that have ended (in the order they did), the others are told to stop and
        those that have not begun do not: their result says STOPPED.

        The free budget is shared by those that run at once, so that the first may use it up; with `after` it is shared
        by all that have not begun and so many steps after them.
        """
        ended: list[Done] = []
        found: dict[int, Done] = {}
        rest = list(enumerate(steps))
        decided = False

        async def work() -> None:
            nonlocal decided
            while rest:
                number, step = rest.pop(0)
                if decided:
                    found[number] = not_run(step, "STOPPED", "it was decided without this step")
                    continue
                parts = min(at_once, len(rest) + 1) if after is None else len(rest) + 1 + after
                found[number] = await self.ask(step, parts)
                ended.append(found[number])
                if enough is not None and not decided and enough(ended):
                    decided = True
                    await self.stop("it was decided without this step")

        tasks = [asyncio.create_task(work()) for _ in range(min(at_once, len(steps)))]
        await _all(tasks)
        return [found[number] for number in range(len(steps))]

    def has_call(self) -> bool:
        """Whether a tool call is left that no run below this one has leased."""
        leased = sum(lease.tool_calls for lease in self._leases.out.values())
        return leased == 0 or self._run.setup.limits.tool_calls - self._run.spent.tool_calls - leased > 0

    async def stop(self, reason: str) -> None:
        """Tell every open child to stop with what it has reached."""
        for identity in self._run.open_children:
            await tell_child(identity, "stop", ControlPayload(by="parent run", reason=reason))

    async def _once(self, step: Step, parts: int) -> Done:
        run = self._run
        await run.control.hold()
        self._hear()
        if self._started >= MAX_STEPS:
            code = "TooManySteps"
            raise RunEndedError(StopReason.ERROR, ErrorInfo.of(code, f"a pattern has at most {MAX_STEPS} steps"))
        begun = workflow.now()
        if level_below(run) > run.setup.limits.depth:
            return not_run(step, "DEPTH_LIMIT", f"limits.depth is {run.setup.limits.depth}: no run below this one")
        self._started += 1
        identity = f"{workflow.info().workflow_id}.{self._started}"
        lease = self._leases.grant(identity, run.setup.limits, run.spent, parts)
        if isinstance(lease, StopReason):
            return not_run(step, lease.upper(), f"nothing is left to lease: {lease}")
        try:
            given = self._input(step, lease)
        except ValidationError as error:
            self._leases.settle(identity)
            return not_run(step, "INVALID_INPUT", explain(error))
        end = await self._child(step, given, identity)
        self._settle(identity, end)
        if run.control.stopping:
            raise RunEndedError(StopReason.STOPPED)
        return self._done(step, end, begun)

    async def _child(self, step: Step, given: AgentInput, identity: str) -> ChildEnd:
        """Run it to its end, or until its time is over."""
        task = asyncio.create_task(run_child(self._run, step.workflow, given, identity, self._agent_of(step)))
        if step.timeout is None:
            return await task
        if await _ends(task, timedelta(seconds=step.timeout)):
            return await task
        await tell_child(identity, "stop", ControlPayload(by="parent run", reason="its time is over"))
        if not await _ends(task, PATIENCE):
            task.cancel()
        late = (await asyncio.gather(task, return_exceptions=True))[0]
        words = f"it has not ended in {step.timeout:g} s"
        error = ErrorInfo.of("TIMEOUT", words)
        if isinstance(late, BaseException):
            return ChildEnd(None, error)
        used = late.result
        return ChildEnd(
            None, error, usage=used.usage if used else late.usage, tool_calls=used.tool_calls if used else 0
        )

    def _input(self, step: Step, lease: Lease) -> AgentInput:
        run, given = self._run, self._run.given
        own = {} if step.limits is None else {name: getattr(step.limits, name) for name in step.limits.model_fields_set}
        limits: dict[str, object] = {
            "turns": run.setup.limits.turns,
            "depth": run.setup.limits.depth,
            **own,
            "tokens": min(lease.tokens, int(str(own.get("tokens", lease.tokens)))),
            "tool_calls": max(1, min(lease.tool_calls, int(str(own.get("tool_calls", lease.tool_calls))))),
            "seconds": min(seconds_left(run), float(str(own.get("seconds", seconds_left(run))))),
        }
        if lease.cost_usd is not None:
            limits["cost_usd"] = min(lease.cost_usd, float(str(own.get("cost_usd", lease.cost_usd))))
        if run.setup.limits.deadline is not None:
            limits["deadline"] = run.setup.limits.deadline
        fields: dict[str, object] = {
            **inherited(run),
            "goal": step.goal,
            "agent": given.agent if step.agent is None else step.agent,
            "context": (*given.context, *self._heard, *step.context),
            "limits": limits,
            **step.given,
        }
        if step.agent is None and given.model is not None:
            fields["model"] = given.model
        said = {"output_schema": step.output_schema, "tools": step.tools, "model": step.model}
        fields |= {name: value for name, value in said.items() if value is not None}
        if lease.tool_calls == 0:
            fields["tools"] = ()
        kind = AgentInput if step.workflow == "Agent" else AnyInput
        return kind.model_validate(fields)

    def _hear(self) -> None:
        """What people say to the pattern reaches the steps that begin from now on; the others were told at once."""
        said = self._run.control.take(idle=True)
        self._heard += [ContextItem(title="said meanwhile by a person", text=item.text) for item in said]

    def _settle(self, identity: str, end: ChildEnd) -> None:
        lease, spent = self._leases.settle(identity), self._run.spent
        if end.result is not None:
            spent.settle_child(end.result.usage, end.result.tool_calls)
            spent.turns += end.result.turns
        elif end.usage is not None:
            spent.settle_child(end.usage, end.tool_calls)
        elif end.error is None or end.error.code != "ChildNotStarted":
            # Nobody knows what it has used: all that it could.
            spent.settle_child(Usage(input_tokens=lease.tokens, cost_usd=lease.cost_usd), lease.tool_calls)

    def _done(self, step: Step, end: ChildEnd, begun: datetime) -> Done:
        result = end.result
        error, output = end.error, None if result is None else result.output
        if error is None and result is not None and not result.success:
            error = result.error or ErrorInfo(
                code=result.stop_reason.upper(), type=result.stop_reason, message=f"it ended with {result.stop_reason}"
            )
        usage = (result.usage if result else end.usage) or Usage()
        report = StepResult(
            step_id=step.id,
            agent_id=self._agent_of(step),
            success=error is None,
            outputs={"output": output} if error is None else {"output": output, "error": error.message},
            errors=() if error is None else (error.code,),
            warnings=() if result is None else result.warnings,
            duration_ms=round((workflow.now() - begun).total_seconds() * 1000),
            model_used=self._model_of(step),
            tokens_used=usage.input_tokens + usage.output_tokens,
            iteration=step.iteration,
        )
        return Done(step=step, report=report, output=output, error=error, usage=usage, details=end.details)

    def _agent_of(self, step: Step) -> str:
        if step.workflow != "Agent":
            return step.workflow
        agent = self._run.given.agent if step.agent is None else step.agent
        return agent.name if isinstance(agent, AgentSpec) else agent

    def _model_of(self, step: Step) -> str:
        """The model that is named for the step, else the pattern's own."""
        agent = step.agent
        return step.model or (agent.model if isinstance(agent, AgentSpec) else None) or self._run.setup.model


class AnyInput(PatternInput, frozen=True, extra="allow"):
    """Input of another pattern, which judges its own fields."""


def not_run(step: Step, code: str, message: str) -> Done:
    """What a step came to that was never begun."""
    report = StepResult(
        step_id=step.id,
        agent_id="",
        success=False,
        outputs={"output": None, "error": message},
        errors=(code,),
        duration_ms=0,
        model_used="",
        tokens_used=0,
        iteration=step.iteration,
    )
    return Done(step=step, report=report, error=ErrorInfo.of(code, message))


async def _ends(task: "asyncio.Task[ChildEnd]", within: timedelta) -> bool:
    """Whether it ends in time."""
    try:
        await workflow.wait_condition(task.done, timeout=within)
    except TimeoutError:
        return False
    return True


async def _all(tasks: "Sequence[asyncio.Task[None]]") -> None:
    """Wait for all, also when one of them says that the pattern ends: no child is left behind unheard."""
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one

"""Stages of a definition that do one thing: an agent, a pattern, another definition, a tool, a wait, a review."""

import json
from collections.abc import Iterable
from dataclasses import replace

from temporalio import workflow

from perdure.domain.approvals import RequestKind, Verdict
from perdure.domain.definition.expressions import pieces, references
from perdure.domain.definition.models import (
    AgentStage,
    Definition,
    PatternStage,
    ReviewStage,
    StageBase,
    ToolStage,
    WaitStage,
    WorkflowStage,
)
from perdure.domain.definition.run import StageEnd
from perdure.domain.messages import CallPart
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.reviewing import content_schema, unwrapped, wrapped
from perdure.domain.patterns.steps import MAX_STEPS, Step, Worker, text_of
from perdure.domain.policy import Level, Rule
from perdure.domain.results import StepResult
from perdure.domain.run import ContextItem, StopReason
from perdure.domain.tools import CallOutcome
from workflows.control import RunEndedError
from workflows.definition.mailbox import Mailbox
from workflows.definition.scope import Scope, failed, succeeded
from workflows.patterns.reviewing import reviewed
from workflows.patterns.team import Team
from workflows.run import AgentRun
from workflows.turn import run_call

__all__ = ["Doing"]

FINAL = frozenset({"UNKNOWN_OUTCOME", "NOT_HAPPENED", "REJECTED", "DENIED", "UNKNOWN_TOOL", "INVALID_ARGUMENTS"})
"""Errors of tool calls that another try does not mend, or must not."""
Before = tuple[str, StageEnd] | None
"""The stage before, which a stage sees that names no other."""


class Doing:
    """Does single stages of one definition; what goes wrong with them is in what they come to."""

    def __init__(self, run: AgentRun, team: Team, definition: Definition, mailbox: Mailbox) -> None:
        """Work for this run."""
        self._run = run
        self._team = team
        self._definition = definition
        self._mailbox = mailbox
        self._calls = 0
        self.brief: tuple[ContextItem, ...] = ()
        """What every agent and pattern is told beyond its goal."""

    async def halt(self, name: str) -> None:
        """The stage of this name ends the whole: those below are told to stop, and nobody waits for an event."""
        self._mailbox.close()
        await self._team.stop(f"stage {name} has failed")

    async def do(self, stage: StageBase, identity: str, scope: Scope, before: Before) -> StageEnd:
        """Do a stage that has no others in it; raises ExpressionError and RunEndedError."""
        if isinstance(stage, AgentStage | PatternStage | WorkflowStage):
            return await self._ask(self._step(stage, identity, scope, before), scope)
        begun = workflow.now()
        if isinstance(stage, ToolStage):
            end, who = await self._tool(stage, identity, scope), stage.tool
        elif isinstance(stage, WaitStage):
            end, who = await self._wait(stage, scope), "event"
        else:
            assert isinstance(stage, ReviewStage), "all other kinds are done elsewhere"  # noqa: S101
            end, who = await self._review(stage, identity, scope, before), "people"
        self._run.steps.add(
            StepResult(
                step_id=identity,
                agent_id=who,
                success=end.success,
                outputs={"output": end.output} if end.error is None else {"output": None, "error": end.error.message},
                errors=() if end.error is None else (end.error.code,),
                duration_ms=round((workflow.now() - begun).total_seconds() * 1000),
                model_used="",
                tokens_used=0,
                iteration=1,
            )
        )
        if end.success and end.output is not None:
            self._team.reached = end.output
        return end

    async def _ask(self, step: Step, scope: Scope) -> StageEnd:
        done = await self._team.ask(step, scope.parts)
        return StageEnd(output=done.output, success=done.success, error=done.error)

    def worker(self, who: Worker | None) -> Worker | None:
        """The agent of this name in the definition, else the name for the worker to look up."""
        return self._definition.agents.get(who, who) if isinstance(who, str) else who

    def _step(
        self, stage: AgentStage | PatternStage | WorkflowStage, identity: str, scope: Scope, before: Before
    ) -> Step:
        if isinstance(stage, WorkflowStage):
            return self._part(stage, identity, scope)
        own = "" if not stage.description else f"\n\nYour part of it: {stage.description}"
        context = (*self.brief, *_seen(stage, scope, before))
        goal = f"{scope.goal}{own}" if stage.goal is None else scope.text(stage.goal)
        step = Step(
            id=identity,
            goal=goal,
            agent=self.worker(stage.agent),
            context=context,
            model=stage.model,
            limits=stage.limits,
            timeout=stage.timeout,
            retries=stage.retries,
        )
        if isinstance(stage, PatternStage):
            return replace(step, workflow=stage.pattern, given=scope.filled(stage.given))
        return replace(step, output_schema=stage.output_schema, tools=stage.tools)

    @staticmethod
    def _part(stage: WorkflowStage, identity: str, scope: Scope) -> Step:
        part = stage.definition
        assert part is not None, "a definition without its parts is refused before it runs"  # noqa: S101
        given: JsonObject = {
            "definition": part.model_dump(mode="json", exclude_unset=True),
            "inputs": scope.filled(stage.given),
        }
        return Step(
            id=identity,
            goal=stage.description or part.description or scope.goal,
            timeout=stage.timeout,
            retries=stage.retries,
            workflow="Definition",
            given=given,
        )

    async def _tool(self, stage: ToolStage, identity: str, scope: Scope) -> StageEnd:
        arguments = scope.filled(stage.arguments)
        attempt = 0
        while True:
            self._calls += 1
            if self._calls > MAX_STEPS:
                raise RunEndedError(StopReason.TOOL_CALL_LIMIT)
            await self._run.control.hold()
            if not self._team.has_call():
                return failed("TOOL_CALL_LIMIT", "the runs below this one have leased the tool calls that are left")
            outcome = await run_call(
                self._run, CallPart(id=f"{identity}-{self._calls}", tool=stage.tool, arguments=arguments)
            )
            attempt += 1
            if not outcome.error or outcome.error in FINAL or attempt > stage.retries:
                break
        return failed(outcome.error, outcome.text) if outcome.error else succeeded(_value_of(outcome))

    async def _wait(self, stage: WaitStage, scope: Scope) -> StageEnd:
        name = scope.text(stage.wait)
        event = await self._mailbox.take(self._run, name, stage.timeout)
        if event is not None:
            return succeeded(event.data)
        if stage.on_timeout == "continue":
            return succeeded(None)
        within = "" if stage.timeout is None else f" in {stage.timeout:g} s"
        return failed("TIMEOUT", f"the event {name!r} has not come{within}")

    async def _review(self, stage: ReviewStage, identity: str, scope: Scope, before: Before) -> StageEnd:
        before_it = before[1].output if before else None
        content = before_it if stage.content is None else scope.value(stage.content)
        shown = wrapped(content)
        title = scope.text(stage.title) or f"{self._definition.name}: {stage.description or identity}"
        rule = Rule(level=Level.REVIEW, approvers=stage.approvers)
        kind = RequestKind(stage.review)
        decision = await reviewed(self._run, kind, title, shown, content_schema(shown), rule=rule)
        if decision.verdict is Verdict.REJECT:
            notes = f": {decision.reason}" if decision.reason else ""
            return failed("REJECTED", f"{decision.by} rejected it{notes}", content)
        edited = decision.verdict is Verdict.EDIT and decision.arguments is not None
        return succeeded(unwrapped(decision.arguments or {}) if edited else content)


def _seen(stage: AgentStage | PatternStage, scope: Scope, before: Before) -> Iterable[ContextItem]:
    """What a stage is shown of others: those it needs, else the one before; its goal may name them instead."""
    named = [reference[0] for piece in pieces(stage.goal or "") for reference in references(piece.expression)]
    if "stages" in named:
        return []
    if stage.needs:
        shown = [(need, scope.ends[need]) for need in stage.needs if need in scope.ends]
    else:
        shown = [before] if before else []
    return [ContextItem(title=name, text=text_of(end.output)) for name, end in shown if end.output not in (None, "")]


def _value_of(outcome: CallOutcome) -> JsonValue:
    """A tool's answer as a value: JSON is read, any other text stays as it is."""
    try:
        return json.loads(outcome.text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return outcome.text


def _refuse(constant: str) -> None:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)

"""The workflow `Review`."""

from temporalio import workflow

from perdure.domain.approvals import RequestKind, Verdict
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.reviewing import (
    ReviewInput,
    ReviewResult,
    ReviewStage,
    StageVerdict,
    Status,
    content_schema,
    unwrapped,
    wrapped,
)
from perdure.domain.patterns.steps import Done, Found, Step, StepSpec, text_of
from perdure.domain.run import ContextItem, StopReason
from workflows.patterns.pattern import Pattern
from workflows.patterns.reviewing import reviewed

__all__ = ["Review"]

SAID: dict[Verdict, Status] = {Verdict.APPROVE: "approved", Verdict.EDIT: "modified", Verdict.REJECT: "rejected"}


@workflow.defn(name="Review")
class Review(Pattern):
    """A plan or a result goes through stages of reviewers, people or agents, until all of them let it pass.

    draft --> stage 1 --> stage 2 --> approved     (an edit goes on with the new content)
      ^          |           |
      +--notes---+-----------+                     (a rejection, at most `rounds` versions)

    Source: staged inspections, Design and code inspections, Fagan, 1976.
    Cost: the model calls of each draft and of each stage that is an agent; people cost none. Failures: a rejection with
    nobody to draft again, or after the last round, ends REJECTED; silence with `on_timeout: reject` ends
    REVIEW_EXPIRED, since nobody said what to change; a reviewer or draft that fails is no verdict: it ends with
    REVIEWER_FAILED or DRAFT_FAILED. `content` is always the last version, `verdicts` all that was said.
    """

    takes = ReviewInput

    def __init__(self) -> None:
        """Start with nothing to review."""
        super().__init__()
        self._verdicts: list[StageVerdict] = []
        self._content: JsonObject = {}

    @workflow.run
    async def run(self, *payload: JsonValue) -> ReviewResult:
        """Run to the end."""
        return await self.conduct(ReviewInput, ReviewResult, payload, self._work)

    async def _work(self, given: ReviewInput) -> Found:
        if given.content is not None:
            self._keep(wrapped(given.content), 0)
        for number in range(1, given.rounds + 1):
            if (number > 1 or given.content is None) and (failed := await self._draft(given, number)):
                return self._found(failed)
            if failed := await self._stages(given, number):
                return self._found(failed)
            last = self._verdicts[-1]
            if last.status != "rejected":
                return self._found(None)
            if given.draft is None:
                return self._found(ErrorInfo.of("REJECTED", f"{last.stage}: {last.by} said no{_words(last.notes)}"))
        last = self._verdicts[-1]
        words = f"rejected in each of {given.rounds} rounds, at last by {last.by} ({last.stage}){_words(last.notes)}"
        return self._found(ErrorInfo.of("REJECTED", words))

    async def _draft(self, given: ReviewInput, number: int) -> ErrorInfo | None:
        """Have a version written; a later one from the last version and what was said of it."""
        self.team.stage(f"draft {number}")
        context: list[ContextItem] = []
        if self._content:
            notes = [f"{each.stage} ({each.by}): {each.notes}" for each in self._verdicts if each.round == number - 1]
            context.append(ContextItem(title="last version", text=text_of(unwrapped(self._content))))
            context.append(ContextItem(title="rejected, notes of the reviewers", text="\n".join(notes)))
        draft = given.draft or StepSpec()
        step = draft.model_copy(update={"output_schema": draft.output_schema or given.content_schema})
        done = await self.team.ask(step.step("draft", given.goal, context, number))
        if done.error is not None:
            return ErrorInfo.of("DRAFT_FAILED", f"draft {number}: {done.error.message}")
        self._keep(wrapped(done.output), number)
        return None

    async def _stages(self, given: ReviewInput, number: int) -> ErrorInfo | None:
        """Ask stage by stage until one rejects; says what is wrong when one could not judge."""
        for stage in given.stages:
            self.team.stage(stage.name)
            begun = workflow.now()
            if stage.agent is None:
                status, by, notes, changed = await self._people(given, stage)
            else:
                done = await self._agent(given, stage, number)
                if done.error is not None:
                    return ErrorInfo.of("REVIEWER_FAILED", f"{stage.name}: {done.error.message}")
                status, notes, changed = _judged(done.output)
                by = done.report.agent_id
            self._verdicts.append(
                StageVerdict(
                    stage=stage.name,
                    round=number,
                    status=status,
                    by=by,
                    notes=notes,
                    modifications=None if changed is None else unwrapped(changed),
                    created_at=begun,
                    reviewed_at=workflow.now(),
                )
            )
            self._keep(self._content if changed is None else changed, number)
            if status == "expired":
                return ErrorInfo.of("REVIEW_EXPIRED", f"{stage.name}: nobody decided in time")
            if status == "rejected":
                break
        return None

    async def _people(self, given: ReviewInput, stage: ReviewStage) -> tuple[Status, str, str, JsonObject | None]:
        schema = content_schema(self._content, given.content_schema)
        title = f"{given.title or given.goal} ({stage.name})"
        decision = await reviewed(
            self._run, RequestKind(given.kind), title, self._content, schema, rule=stage.rule, reason=given.goal[:2_000]
        )
        status: Status = "expired" if decision.via == "timer" else SAID[decision.verdict]
        return status, decision.by, decision.reason, decision.arguments

    async def _agent(self, given: ReviewInput, stage: ReviewStage, number: int) -> Done:
        content = ContextItem(title=f"{given.kind} to review", text=text_of(unwrapped(self._content)))
        goal = (
            f"Review the {given.kind} that was made for this task: {given.goal}\n"
            "Approve it, reject it with notes that say what to change, or approve it as you modify it."
        )
        schema = _verdict_schema(content_schema(self._content, given.content_schema))
        step = Step(
            id=stage.name,
            goal=goal,
            agent=stage.agent,
            context=(content,),
            output_schema=schema,
            timeout=stage.timeout,
            iteration=number,
        )
        return await self.team.ask(step)

    def _keep(self, content: JsonObject, number: int) -> None:
        self._content = content
        self.team.reached = unwrapped(content)
        self.team.kept = {"content": self.team.reached, "verdicts": tuple(self._verdicts), "rounds": number}

    def _found(self, error: ErrorInfo | None) -> Found:
        refused = error is not None and error.code in {"REJECTED", "REVIEW_EXPIRED"}
        reason = StopReason.REJECTED if refused else StopReason.ERROR
        output = unwrapped(self._content) if self._content else None
        return Found(output, {**self.team.kept, "approved": error is None}, error, reason)


def _judged(answer: JsonValue) -> tuple[Status, str, JsonObject | None]:
    """Verdict of an agent: its answer fits the schema below, or the step would have failed."""
    fields = answer if isinstance(answer, dict) else {}
    changed = fields.get("modified")
    if not fields.get("approved"):
        return "rejected", str(fields.get("notes", "")), None
    if isinstance(changed, dict):
        return "modified", str(fields.get("notes", "")), changed
    return "approved", str(fields.get("notes", "")), None


def _verdict_schema(content: JsonObject) -> JsonObject:
    return {
        "$defs": content.get("$defs", {}),  # where its references lead, which are from the root of a schema
        "type": "object",
        "properties": {
            "approved": {"type": "boolean"},
            "notes": {"type": "string"},
            "modified": {"anyOf": [content, {"type": "null"}]},
        },
        "required": ["approved", "notes"],
        "additionalProperties": False,
    }


def _words(notes: str) -> str:
    return f": {notes}" if notes else ""

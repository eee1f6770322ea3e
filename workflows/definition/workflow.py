"""The workflow `Definition`."""

from temporalio import workflow

from perdure.domain.definition.expressions import ExpressionError
from perdure.domain.definition.names import ids_of
from perdure.domain.definition.run import DefinitionInput, DefinitionResult, Event
from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonValue
from perdure.domain.patterns.steps import Found
from workflows.definition.interpreter import Interpreter
from workflows.definition.leading import Leading
from workflows.definition.mailbox import Mailbox
from workflows.definition.scope import Scope
from workflows.definition.stages import Doing
from workflows.patterns.pattern import Pattern

__all__ = ["Definition"]


@workflow.defn(name="Definition")
class Definition(Pattern):
    """A workflow that is declared as data: agents and stages from a YAML file, run in order, side by side or by needs.

    facts --> each item --> vote --+--> write --> review --> output      (sequential, parallel, graph; or hierarchical:
                                   +--> (condition) wait for an event     a coordinator gives out the work)

    Source: our own format; also takes the form of claude-flow.
    Cost: the model calls of its stages; tools, conditions, events and reviews cost none; a coordinator costs two runs.
    Failures: a stage that fails ends the whole with STAGE_FAILED (`on_failure: stop`), is left out (`continue`) or has
    a default; what needs a failed stage does not run. Mistakes in the definition are found before anything runs. The
    definition is input: its SHA-256 is in the result, and a file that is edited later changes nothing.
    """

    takes = DefinitionInput

    def __init__(self) -> None:
        """Start with nothing done and no events."""
        super().__init__()
        self._mailbox = Mailbox()

    @workflow.signal(name="event")
    def event(self, *payload: JsonValue) -> None:
        """Tell of a named event: `{"name", "data"?, "id"?}`; early ones are kept, those with a known id dropped."""
        if told := self._signalled(Event, payload, "event"):
            if dropped := self._mailbox.put(told):
                self._run.notice("signal.ignored", f"signal event: {dropped}")
            else:
                self._run.notice("event", f"{told.name} {told.id}".rstrip())

    @workflow.run
    async def run(self, *payload: JsonValue) -> DefinitionResult:
        """Run to the end."""
        return await self.conduct(DefinitionInput, DefinitionResult, payload, self._work)

    async def _work(self, given: DefinitionInput) -> Found:
        definition = given.definition
        self._run.notice("definition", f"{definition.name} sha256:{definition.digest}")
        at_once = given.max_concurrent if "max_concurrent" in given.model_fields_set else definition.max_concurrent
        scope = Scope(given.goal, given.values)
        self.team.kept = {
            "definition": definition.name,
            "definition_sha256": definition.digest,
            "stages": scope.ends,
        }
        doing = Doing(self._run, self.team, definition, self._mailbox)
        course = Interpreter(doing, self.team, definition, at_once)
        stages, output = definition.stages, None
        if definition.type == "hierarchical":
            output, halt = await Leading(self.team, doing, course, definition, at_once).lead(scope)
        elif definition.type == "graph":
            halt = await course.by_needs(stages, scope)
        elif definition.type == "parallel":
            halt = await course.apart(stages, "", scope)
        else:
            halt = await course.in_turn(stages, "", scope)
        error = None
        if halt is not None:
            name, end = halt
            words = f"{name}: {end.error.code}: {end.error.message}" if end.error else name
            error = ErrorInfo.of("STAGE_FAILED", f"stage {words}")
        elif definition.output is not None:
            try:
                output = scope.value(definition.output)
            except ExpressionError as wrong:
                error = ErrorInfo.of("EXPRESSION_FAILED", f"output: {wrong}")
        elif definition.type == "parallel":
            output = {name: scope.ends[name].output for name in ids_of(stages) if scope.ends[name].success}
        elif definition.type != "hierarchical":
            output = _last(ids_of(stages), scope)
        if error is not None:
            output = self.team.reached
        return Found(output, self.team.kept, error)


def _last(names: list[str], scope: Scope) -> JsonValue:
    """Output of the last stage that was not skipped."""
    ran = [scope.ends[name] for name in names if name in scope.ends and not scope.ends[name].skipped]
    return ran[-1].output if ran else None

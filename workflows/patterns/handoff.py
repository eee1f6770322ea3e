"""The workflow `Handoff`."""

from temporalio import workflow

from perdure.domain.errors import ErrorInfo
from perdure.domain.model import JsonObject, JsonValue
from perdure.domain.patterns.handoff import HandoffInput, HandoffResult, Hop, Sees, answer_schema, seen, too_often
from perdure.domain.patterns.steps import Found, Step
from perdure.domain.run import ContextItem, StopReason
from workflows.patterns.pattern import Pattern

__all__ = ["Handoff"]

WORDS = (
    'Answer with {"final": your answer}, or hand the task over with {"handoff": a name, "message": what they must '
    "know} to one of:"
)


@workflow.defn(name="Handoff")
class Handoff(Pattern):
    """One agent at a time works on the goal, and either answers it or hands over to another that it may hand over to.

    goal --> start --handoff--> billing --handoff--> expert --> final answer
               ^                   |
               +-----handoff-------+          (only along the edges of the graph, at most so many times)

    Source: Orchestrating agents: routines and handoffs, OpenAI cookbook, 2024 (Swarm).
    Cost: the model calls of each agent on the path, at least one each. Failures: an agent that fails, or answers
    neither a final text nor an allowed handoff after its repairs, ends AGENT_FAILED; one handoff too many ends
    MAX_HANDOFFS or HANDOFF_LOOP. The output then is the last message that was handed over, `path` and `hops` say how
    it came to that.
    """

    takes = HandoffInput

    @workflow.run
    async def run(self, *payload: JsonValue) -> HandoffResult:
        """Run to the end."""
        return await self.conduct(HandoffInput, HandoffResult, payload, self._work)

    async def _work(self, given: HandoffInput) -> Found:
        name, path, hops = given.start, list[str](), list[Hop]()
        sees: Sees = given.sees
        while True:
            path.append(name)
            self.team.kept = {"path": tuple(path), "hops": tuple(hops)}
            self.team.stage(name)
            done = await self.team.ask(_step(given, name, hops, sees))
            last = hops[-1].message if hops else ""
            self.team.reached = last
            if done.error is not None:
                return Found(last, self.team.kept, ErrorInfo.of("AGENT_FAILED", f"{name}: {done.error.message}"))
            answer = done.output if isinstance(done.output, dict) else {}
            if "final" in answer:
                return Found(answer["final"], {**self.team.kept, "ended_by": name})
            to, message = str(answer["handoff"]), str(answer["message"])
            if len(hops) >= given.max_handoffs:
                words = f"{name} hands over to {to}, but {given.max_handoffs} handoffs were made: max_handoffs"
                return Found(message, self.team.kept, ErrorInfo.of("MAX_HANDOFFS", words))
            if too_often(hops, name, to, given.repeats):
                words = f"{name} has handed over to {to} {given.repeats} times: they go in circles ({' > '.join(path)})"
                return Found(message, self.team.kept, ErrorInfo.of("HANDOFF_LOOP", words), StopReason.LOOP_DETECTED)
            hops.append(Hop(by=name, to=to, message=message))
            sees = given.sees_of(name, to)
            self.team.reached = message
            name = to


def _step(given: HandoffInput, name: str, hops: list[Hop], sees: Sees) -> Step:
    allowed = {edge.to: given.agents[edge.to].description for edge in given.agents[name].edges}
    context = seen(hops, sees)
    if allowed:
        others = "\n".join(f"- {to}: {about}".rstrip(": ") for to, about in allowed.items())
        words = (
            'Answer with {"final": ...}, or hand the task over with {"handoff": name, "message": what it must know} to'
        )
        context.append(ContextItem(title="how to answer", text=f"{words} one of:\n{others}"))
    schema: JsonObject = answer_schema(list(allowed), given.output_schema)
    return Step(
        id=name,
        goal=given.goal,
        agent=given.worker(name),
        context=tuple(context),
        output_schema=schema,
        iteration=len(hops) + 1,
    )

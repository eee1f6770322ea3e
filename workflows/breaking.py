"""What becomes of an answer of the model that somebody broke off: paid for, kept as far as it came, and marked."""

from perdure.domain.machine import Break
from perdure.domain.messages import AssistantMessage, TextPart, UserMessage
from perdure.domain.run import ModelReply
from workflows.metrics import count_turn
from workflows.run import AgentRun

__all__ = ["take_broken"]

MAX_REASON = 2_000


def take_broken(run: AgentRun, reply: ModelReply) -> None:
    """Count the call as a turn and keep its text, if there is any; calls it began to ask for are dropped."""
    _settle(run, reply)
    count_turn()
    text = reply.message.text
    if text.strip():  # providers refuse an answer without text
        run.steps.said(text)
        run.log.add(AssistantMessage(content=(TextPart(text=text),), provider=reply.message.provider))
        run.log.add(UserMessage(text=_mark(run.control.broken)))
    run.changed()


def _settle(run: AgentRun, reply: ModelReply) -> None:
    """Pay for what the reply reports; of the conversation's size the provider has counted nothing."""
    spent, usage = run.spent, reply.usage
    free = None if run.setup.price is None else 0.0
    context = spent.context + usage.output
    spent.settle(usage, free if reply.cost_usd is None else reply.cost_usd)
    spent.context = context


def _mark(broken: Break) -> str:
    who = "a new message" if broken.steered else broken.by or "a person"
    reason = f": {broken.reason[:MAX_REASON]}" if broken.reason else ""
    return f"[Your answer was interrupted by {who}{reason}. What you had written until then stands above.]"

"""One model call of a run: within its window and its budget, by reference, settled when it is over."""

from temporalio.exceptions import ApplicationError

from perdure.domain.budget import Allowance
from perdure.domain.errors import ErrorInfo
from perdure.domain.messages import UserMessage
from perdure.domain.ports import StopKind
from perdure.domain.run import ModelReply, ModelRequest, StopReason
from workflows import calls
from workflows.breaking import take_broken
from workflows.context import at_most, fit, make_room
from workflows.control import Broken, RunEndedError
from workflows.limits import reach
from workflows.metrics import count_turn
from workflows.run import AgentRun
from workflows.thoughts import level

__all__ = ["ask_model", "last_word"]

DELTA_CHARACTERS = 400_000
"""Messages since the last call travel with the request up to this size; larger ones are read by the activity."""
MAX_OVERFLOWS = 2
LAST_WORD_TOKENS = 1_000

ENDINGS: dict[StopKind, StopReason] = {
    "refused": StopReason.REFUSED,
    "context_limit": StopReason.CONTEXT_LIMIT,
}


async def ask_model(run: AgentRun) -> ModelReply:
    """One turn's model call; ends the run where the model cannot go on.

    The reply says `interrupted` when somebody broke in, be it before the call: then the turn is to be begun again.
    """
    return await _ask(run, run.control.watch())


async def _ask(run: AgentRun, broken: Broken) -> ModelReply:
    allowance, reply = await _fitting_reply(run, broken)
    if reply is None:
        return calls.NOTHING_SAID
    if reply.stop == "interrupted":
        take_broken(run, reply)
        return reply
    _take(run, reply)
    if reply.problem:
        raise RunEndedError(StopReason.ERROR, ErrorInfo.of("UnusableReply", reply.problem))
    if reply.stop in ENDINGS:
        run.close_calls("the model cannot go on")
        raise RunEndedError(ENDINGS[reply.stop])
    if reply.stop == "max_tokens":
        run.close_calls("the answer was cut off at its token limit")
        await reach(run, allowance.bound)
        run.log.add(UserMessage(text="Your answer was cut off at a limit that is wider now. Go on where you stopped."))
        return await _ask(run, broken)
    return reply


async def _fitting_reply(run: AgentRun, broken: Broken) -> tuple[Allowance, ModelReply | None]:
    """Call the model; a conversation that the provider refuses as too long is made smaller and sent again.

    None: somebody broke in before the call was made.
    """
    overflows = 0
    while True:
        await make_room(run)
        allowance = await _allowance(run)
        if broken():
            return allowance, None
        if not overflows:
            run.steps.begin(run)
        try:
            reply = await _reply(run, _request(run, allowance.tokens), broken)
        except RunEndedError as end:
            if end.reason is not StopReason.TIME_LIMIT:
                raise
            await reach(run, end.reason)
            continue
        if reply.stop != "context_limit" or overflows == MAX_OVERFLOWS or not await fit(run, overflowed=True):
            return allowance, reply
        overflows += 1
        run.spent.settle_extra(reply.usage, reply.cost_usd)


async def last_word(run: AgentRun) -> None:
    """Have the model say what was reached, one call beyond the limit, if what is left pays for it."""
    limits = run.setup.limits.model_copy(update={"turns": run.spent.turns + 1})
    allowance = run.spent.reserve(limits, run.setup.price, at_most(run), LAST_WORD_TOKENS)
    if allowance.tokens < 1:
        run.warnings.append("nothing was left for a summary of what was reached")
        return
    text = "You have reached a limit of this run. Without calling tools, say what was reached and what is still open."
    run.log.add(UserMessage(text=text))
    run.steps.begin(run)
    request = _request(run, allowance.tokens, closing=True)
    try:
        _take(run, await calls.reply(run.control, request, request.turn + 1, None))
    except (RunEndedError, ApplicationError) as error:
        run.warnings.append(f"there is no summary of what was reached: {error}")
    run.close_calls("the run has ended")


async def _allowance(run: AgentRun) -> Allowance:
    """What this call may use; at a limit a person may have to be asked first."""
    while True:
        setup = run.setup
        if run.time_left().total_seconds() <= 0:
            await reach(run, StopReason.TIME_LIMIT)
            continue
        most = setup.settings.max_output_tokens
        wanted = most if setup.context is None else min(most, setup.context.output_reserve)
        allowance = run.spent.reserve(setup.limits, setup.price, at_most(run), wanted)
        if allowance.tokens >= 1:
            return allowance
        await reach(run, allowance.bound)


def _request(run: AgentRun, tokens: int, *, closing: bool = False) -> ModelRequest:
    log = run.log
    small = log.size_since(run.sent) <= DELTA_CHARACTERS
    return ModelRequest(
        transcript=log.ref,
        new=log.since(run.sent) if small else (),
        max_output_tokens=tokens,
        basis=run.basis.name,
        turn=run.total.turns,
        closing=closing,
        level=0 if closing else level(run),
    )


async def _reply(run: AgentRun, request: ModelRequest, broken: Broken) -> ModelReply:
    left = run.time_left()
    bound = left if left < calls.MODEL_CALL else None
    return await calls.reply(run.control, request, run.total.turns + 1, bound, broken)


def _take(run: AgentRun, reply: ModelReply) -> None:
    run.calibration = run.calibration.reported(run.log.characters, reply.usage.input)
    run.sent, run.unsent = len(run.log), 0
    run.spent.settle(reply.usage, reply.cost_usd)
    count_turn()
    run.steps.said(reply.message.text)
    run.log.add(reply.message)
    run.changed()

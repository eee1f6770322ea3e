"""Continuing as new: when it is due, what leaves for the blob store, and the one state that is carried over."""

from temporalio import workflow

from perdure.domain.archive import ArchiveRequest
from perdure.domain.budget import Spent
from perdure.domain.log import Log
from perdure.domain.run import RunState
from perdure.domain.state import Carried, ContextState, Logs, SessionState
from workflows import calls
from workflows.ledger import Ledger
from workflows.run import AgentRun
from workflows.steps import Steps

__all__ = ["STATE_VERSION", "Rollover", "archive", "reopen", "restore", "snapshot"]

STATE_VERSION = 1
MAX_BYTES = 4 * 1024 * 1024
"""Of history, after which a run continues as new: where Temporal suggests it too."""
MOST = 100
"""Children and warnings of the past that a continued run still shows."""


class Rollover:
    """Says when a run should continue as new: when Temporal suggests it, or by the thresholds of its setup.

    Never before something has happened in this run: else a low threshold would make it turn in a circle.
    """

    def __init__(self, run: AgentRun) -> None:
        """Measure from here."""
        self._run = run
        self._begin = workflow.info().get_current_history_length()

    def due(self, patience: int = 1) -> bool:
        """Whether it is time; with `patience` only at so many times the thresholds, whatever Temporal suggests."""
        events = self._run.setup.rollover_events if self._run.is_prepared else None
        info = workflow.info()
        length = info.get_current_history_length()
        if events is None or length <= self._begin:
            return False
        if length >= events * patience or info.get_current_history_size() >= MAX_BYTES * patience:
            return True
        return patience == 1 and info.is_continue_as_new_suggested()


async def archive(run: AgentRun) -> None:
    """Put messages, settled calls and closed steps of this run into the blob store; the workflow keeps no copy of them.

    Waits for as long as the store cannot be reached, and until the journal is written: an activity that ends while the
    run continues as new fails its workflow task, and with it the updates that came along.
    """
    run.control.enter(RunState.CHECKPOINTING)
    await _store_pages(run)
    await run.journal.settled()


async def _store_pages(run: AgentRun) -> None:
    settled = run.turn[0].number - 1 if run.turn else len(run.ledger)
    request = ArchiveRequest(
        messages=(run.log.base, len(run.log)),
        calls=(run.ledger.base, settled),
        steps=(run.steps.base, run.steps.total),
    )
    if request.empty:
        return
    stored = await calls.archive(request)
    run.said_before = run.said
    log = run.log
    run.unsent += log.size_since(run.sent, but="assistant")
    run.log = Log((*log.pages, *stored.messages), log.view, log.ref, log.characters)
    run.ledger = Ledger((*run.ledger.pages, *stored.calls), run.ledger.after(settled))
    run.steps = Steps((*run.steps.pages, *stored.steps), run.steps.current)


def snapshot(run: AgentRun, session: SessionState | None = None) -> Carried:
    """Everything that the next run needs; call it after `archive`."""
    log = run.log
    return Carried(
        version=STATE_VERSION,
        chain=workflow.info().first_execution_run_id,
        given=run.given,
        setup=run.setup,
        upcoming=run.upcoming,
        logs=Logs(messages=log.pages, calls=run.ledger.pages, steps=run.steps.pages),
        context=ContextState(
            view=log.view,
            reference=log.ref,
            characters=log.characters,
            sent=run.sent,
            unsent=run.unsent,
            edition=run.edition,
            stuck=run.stuck,
            calibration=run.calibration,
        ),
        spent=run.spent,
        earlier=run.earlier,
        said=run.said_before,
        said_from=run.said_from,
        extended=run.extended,
        repairs=run.repairs,
        failures=run.failures,
        thinking=run.thinking,
        ledger=run.ledger.after(run.ledger.base),
        turn=None if run.turn is None else tuple(run.turn),
        step=run.steps.current,
        control=run.control.snapshot(),
        approvals=run.approvals.snapshot(),
        children=tuple(run.children.values())[-MOST:],
        notices=tuple(run.notices),
        warnings=tuple(run.warnings[-MOST:]),
        session=session,
        journal=run.journal.snapshot(),
        tokens=tuple(run.tokens),
    )


def restore(run: AgentRun, state: Carried) -> None:
    """Bring a fresh run to where the one before it was."""
    run.begin(state.given)
    run.journal.restore(state.journal)
    run.restored(state.setup, state.upcoming)
    _remember(run, state)
    run.spent, run.earlier = state.spent, state.earlier
    run.said_before, run.said_from = state.said, state.said_from
    run.repairs, run.failures, run.thinking = state.repairs, state.failures, state.thinking
    run.turn = None if state.turn is None else list(state.turn)
    run.steps = Steps(state.logs.steps, state.step)
    run.control.restore(state.control)
    run.approvals.restore(state.approvals)
    run.warnings = list(state.warnings)


def reopen(run: AgentRun, state: Carried) -> None:
    """Give a fresh run the past of a session that was closed: what it was asked since then stays as it is."""
    _remember(run, state)
    run.control.remember(state.control)
    run.earlier = state.spent.plus(state.earlier)
    run.spent = Spent(context=state.spent.context)
    run.steps = Steps(state.logs.steps)


def _remember(run: AgentRun, state: Carried) -> None:
    context = state.context
    run.log = Log(state.logs.messages, context.view, context.reference, context.characters)
    run.sent, run.edition, run.stuck = context.sent, context.edition, context.stuck
    run.unsent = context.unsent
    run.calibration = context.calibration
    run.extended = state.extended
    run.ledger = Ledger(state.logs.calls, state.ledger)
    run.children = {child.workflow_id: child for child in state.children}
    run.notices = [*state.notices, *run.notices]
    run.tokens = dict.fromkeys((*state.tokens, *run.tokens))

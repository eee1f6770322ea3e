"""What the query `status` says of a run."""

from temporalio import workflow

from perdure.domain.approvals import fitting
from perdure.domain.run import Progress, RunStatus
from workflows.run import AgentRun

__all__ = ["status"]


def status(run: AgentRun) -> RunStatus:
    """Where the run stands."""
    setup, total = run.setup if run.is_prepared else None, run.total
    return RunStatus(
        state=run.control.state,
        waiting_for=run.control.waiting_for,
        agent="" if setup is None else setup.agent.name,
        model="" if setup is None else setup.model,
        turn=total.turns,
        tool_calls=total.tool_calls,
        pending=tuple(fitting(run.pending)),
        usage=total.usage,
        left={} if setup is None else _left(run),
        queued=run.control.queued,
        children=tuple(run.children.values()),
        plan=tuple(run.plan),
        progress=_progress(run),
        warnings=tuple(run.warnings),
        notices=tuple(run.notices),
        policy_digest="" if setup is None else setup.policy_digest,
    )


def _progress(run: AgentRun) -> Progress | None:
    if run.progress is None:
        return None
    end = workflow.now() if run.ended is None else run.ended.at
    return run.progress.model_copy(update={"elapsed": round((end - run.control.started).total_seconds(), 1)})


def _left(run: AgentRun) -> dict[str, int | float | str | None]:
    limits, spent = run.setup.limits, run.spent
    return {
        "turns": limits.turns - spent.turns,
        "tool_calls": limits.tool_calls - spent.tool_calls,
        "tokens": limits.tokens - spent.tokens,
        "cost_usd": None if limits.cost_usd is None else round(limits.cost_usd - spent.cost_usd, 6),
        "seconds": round(limits.seconds - run.control.worked.total_seconds(), 1),
        "depth": limits.depth - (run.given.lineage.level if run.given.lineage else 0),
        "deadline": None if limits.deadline is None else limits.deadline.isoformat(),
    }

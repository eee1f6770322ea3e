"""The figures of a long run, printed with their bounds."""

import statistics
from collections.abc import Sequence

from benchmarks.chain import Run
from benchmarks.local_model import Asked
from benchmarks.plan import Plan
from benchmarks.sampling import Sample, cpu_per_call

__all__ = ["judge", "sizes_hold", "times_hold", "worker_holds"]

MAX_EVENTS, MAX_BYTES = 10_000, 10_000_000
SLOWER, LARGER = 1.25, 1.3
EARLY = 1_000
"""Turn at which the memory is first looked at."""


def judge(what: str, figure: float, bound: float, *, judged: bool = True) -> bool:
    """Print one figure with its bound; says whether it holds."""
    good = figure <= bound
    word = "not judged" if not judged else "PASS" if good else "FAIL"
    print(f"{what:45s} {figure:12,.2f} (<= {bound:9,.2f})  {word}")
    return good or not judged


def times_hold(plan: Plan, asked: Sequence[Asked]) -> bool:
    """How long turns took near the beginning and at the end, by the times at which the model was asked."""
    at = {call.turn: call.at for call in reversed(asked)}
    medians: list[float] = []
    for begin, end in ((plan.calls // 100, plan.calls // 10), (plan.calls * 9 // 10, plan.calls)):
        taken = [(at[turn + 1] - at[turn]) * 1000 for turn in range(begin, end)]
        medians.append(statistics.median(taken))
        print(f"turns {begin} to {end}: median {medians[-1]:.1f} ms a turn, mean {statistics.fmean(taken):.1f} ms")
    return judge("median ms per turn, end over beginning", medians[1] / medians[0], SLOWER, judged=plan.times_judged)


def sizes_hold(plan: Plan, runs: Sequence[Run]) -> bool:
    """What lies in the histories; carried states are counted apart."""
    carried = sum(run.carried for run in runs)
    stored = sum(run.bytes for run in runs) - carried
    states = f"{carried:,} bytes in all, at most {max(run.carried for run in runs):,} in a run"
    print(f"runs in the chain: {len(runs)}; carried state: {states}")
    print(f"conversation per turn: {plan.conversation / plan.calls:,.0f} bytes")
    good = [
        judge("most events of a run", max(run.events for run in runs), MAX_EVENTS),
        judge("most MB of a run", max(run.bytes for run in runs) / 1e6, MAX_BYTES / 1e6),
        judge("bytes of history per turn", stored / plan.calls, plan.allowed / plan.calls),
    ]
    print(f"the same with the carried state: {(stored + carried) / plan.calls:,.0f}")
    return all(good)


def worker_holds(plan: Plan, samples: Sequence[Sample]) -> bool:
    """Memory of the worker near the beginning and at the end; its processor time, which others disturb less."""
    mark = min(EARLY, plan.calls // 2)
    early, late = next(each for each in samples if each.calls >= mark), samples[-1]
    print(f"memory of the worker: {early.rss / 1e6:.0f} MB at turn {early.calls}, at the end {late.rss / 1e6:.0f} MB")
    spans = ((plan.calls // 100, plan.calls // 10), (plan.calls * 9 // 10, plan.calls))
    used = [f"{cpu_per_call(samples, *span):.1f}" for span in spans]
    print(f"processor time of the worker per model call, as the turns above: {used[0]} and {used[1]} ms")
    what = f"memory of the worker, end over turn {mark:,}"
    return judge(what, late.rss / early.rss, LARGER, judged=plan.times_judged)

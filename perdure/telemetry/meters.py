"""Every metric of ours in one place: name, meaning, and the labels it bears, which are bounded on purpose.

Labels never hold an id or free text: a tool that does not exist counts as `unknown`, and beyond MOST_NAMES models of
one process further ones count as `other`. Temporal's meters add `namespace`, `task_queue` and `workflow_type` or
`activity_type`. Counters get the suffix `_total` on /metrics.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from temporalio.common import MetricMeter

__all__ = [
    "APPROVAL_WAIT",
    "BUCKETS",
    "COST",
    "MODEL_TIME",
    "OTHER",
    "RUNS_ENDED",
    "TOKENS",
    "TOOL_CALLS",
    "TOOL_TIME",
    "TURNS",
    "UNKNOWN",
    "Counter",
    "Histogram",
    "Meter",
    "bounded",
]

MOST_NAMES = 100
OTHER = "other"
UNKNOWN = "unknown"

Meter = Callable[[], MetricMeter]
"""`workflow.metric_meter`, which is silent on replay, or `activity.metric_meter`."""


class Counter(NamedTuple):
    """Counts whole things."""

    name: str
    about: str

    def add(self, meter: MetricMeter, count: int = 1, **labels: str) -> None:
        """Count some more."""
        meter.create_counter(self.name, self.about).add(count, labels)


class Histogram(NamedTuple):
    """Distribution of seconds or US dollars; its `_sum` is their total, its `_count` how many there were."""

    name: str
    about: str
    buckets: tuple[float, ...]

    def record(self, meter: MetricMeter, value: float | timedelta, **labels: str) -> None:
        """Note one value; a time below zero (clocks of two machines) counts as none."""
        number = value.total_seconds() if isinstance(value, timedelta) else value
        meter.create_histogram_float(self.name, self.about).record(max(number, 0.0), labels)


QUICK = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
HUMAN = (1.0, 10.0, 60.0, 300.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0, 604_800.0)
DOLLARS = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)

TURNS = Counter("perdure_turns", "Answers of the model that a run has taken")
TOOL_CALLS = Counter("perdure_tool_calls", "Tool calls that were answered; outcome: ok, or the class of the error")
RUNS_ENDED = Counter("perdure_runs_ended", "Workflows that ended; stop_reason: as in their result, failed or cancelled")
TOKENS = Counter("perdure_tokens", "Tokens of model calls, also of summaries; direction: input or output")
COST = Histogram("perdure_cost_usd", "US dollars of model calls with a known price; the sum is the cost", DOLLARS)
MODEL_TIME = Histogram("perdure_model_seconds", "Calls of a provider; outcome: how the answer or call ended", QUICK)
TOOL_TIME = Histogram("perdure_tool_seconds", "Attempts at tool calls; outcome: ok, or the class of the error", QUICK)
APPROVAL_WAIT = Histogram("perdure_approval_wait_seconds", "From a request to people until its decision", HUMAN)

BUCKETS = {metric.name: metric.buckets for metric in (COST, MODEL_TIME, TOOL_TIME, APPROVAL_WAIT)}


def bounded(known: set[str], name: str, most: int = MOST_NAMES) -> str:
    """The name, or `other` once `most` others are known; `known` remembers them."""
    if name not in known and len(known) >= most:
        return OTHER
    known.add(name)
    return name

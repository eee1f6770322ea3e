"""The tool calls of a turn on their way, as plain data: what a continued run needs to go on in the middle of a turn."""

from dataclasses import dataclass
from datetime import datetime

from perdure.domain.messages import CallPart
from perdure.domain.model import Compact, JsonObject
from perdure.domain.policy import Level, Rule
from perdure.domain.tools import CallOutcome

__all__ = ["Lost", "Planned"]


class Lost(Compact, frozen=True):
    """An attempt whose answer was lost: why, and when it can no longer be at work."""

    why: str
    over: datetime


@dataclass
class Planned:
    """One call of a turn; `answer` is set as soon as it is known, also without running anything.

    `gated`: whoever had to be asked has agreed. `begun`: it has been counted and has its key. `attempts` are those
    that were made; `lost` is the last one while nobody knows what became of it.
    """

    number: int
    part: CallPart
    arguments: JsonObject
    level: Level = Level.NONE
    rule: Rule | None = None
    note: str = ""
    gated: bool = False
    begun: bool = False
    attempts: int = 0
    lost: Lost | None = None
    answer: CallOutcome | None = None

"""What a model sees of a long conversation: its budget, the view of the transcript, and how a view is made smaller."""

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from perdure.domain.messages import TranscriptRef
from perdure.domain.model import Compact, Partial
from perdure.domain.ports import TokenUsage

if TYPE_CHECKING:
    from perdure.domain.agents import AgentSettings

__all__ = [
    "DEFAULT_WINDOW",
    "CompactRequest",
    "Compaction",
    "ContextBudget",
    "ContextSettings",
    "Range",
    "Shares",
    "Strategy",
    "View",
    "budget_for",
]

DEFAULT_WINDOW = 128_000
"""Tokens. What a model is taken to have whose window nobody named: little for today's models, safe for most servers."""

Strategy = Literal["summarise", "sliding_window", "oldest_first", "lowest_relevance"]
"""How a conversation that outgrows its budget is made smaller."""

Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
"""Messages from the first number up to, not including, the second, counted over the whole chain of runs."""


class Shares(Partial, frozen=True):
    """Parts of the model's window that instructions with tools, memories and the conversation may fill.

    Together at most the whole window; the room for the answer is taken from what the conversation could have.
    """

    system: float = Field(default=0.10, gt=0, le=1)
    memory: float = Field(default=0.30, ge=0, le=1)
    conversation: float = Field(default=0.50, gt=0, le=1)

    @model_validator(mode="after")
    def _fit(self) -> Self:
        total = self.system + self.memory + self.conversation
        if total > 1 + 1e-9:
            msg = f"system, memory and conversation are {total:.2f} of the window together: at most 1 fits"
            raise ValueError(msg)
        return self


class ContextSettings(Partial, frozen=True):
    """How an agent's conversation is kept within its model's window (`settings.context` of an agent).

    `window` is in tokens; without it the model's own is used. `keep_turns` is what `sliding_window` keeps.
    """

    strategy: Strategy = "summarise"
    window: int | None = Field(default=None, ge=1_000)
    keep_turns: int = Field(default=10, gt=0)
    shares: Shares = Shares()


class ContextBudget(Compact, frozen=True):
    """The context budget of one run in tokens, resolved once with its model (`budget_for`).

    `window`: all that fits into one model call. `output_reserve`: kept free for the answer. `conversation`: what the
    messages may fill before some of them leave.
    """

    window: int
    output_reserve: int
    conversation: int
    strategy: Strategy = "summarise"
    keep_turns: int = 10


class View(Compact, frozen=True):
    """What the model sees of the transcript: the messages of `ranges` in this order, then all from `tail` on."""

    ranges: tuple[Range, ...] = ()
    tail: int = 0

    @property
    def head(self) -> int:
        """Number of messages in the ranges."""
        return sum(end - begin for begin, end in self.ranges)

    def indices(self, length: int) -> list[int]:
        """Numbers (over the chain) of the first `length` messages of the view."""
        head = [index for begin, end in self.ranges for index in range(begin, end)]
        return [*head, *range(self.tail, self.tail + length - len(head))][:length]


class CompactRequest(Compact, frozen=True):
    """Request of the activity `context.compact`: make the view that `transcript` names smaller.

    `target` is in characters of message JSON that the new view may have; `basis` names setup and view (see
    `ModelRequest`). `total` is the number of messages of the chain: the receipt will be the message after them.
    `overflowed` says that the provider has refused the view as too long: then even the newest turn may leave.
    """

    transcript: TranscriptRef
    basis: str
    target: int
    total: int
    turn: int
    overflowed: bool = False


class Compaction(Compact, frozen=True):
    """What `context.compact` came to: the new view with digest and size, and the receipt that stands in it.

    `receipt` is the text of the system message, to be added to the transcript as its next message, that says what was
    left out, where it can be read (`blob` is its handle) and, if summarised, what it said. `view` and `reference`
    include that message. `before` and `after` are characters of message JSON. Empty `receipt`: nothing could be left
    out, or it would have saved nothing. `problem` says why a summary that was wanted is missing.
    """

    view: View = View()
    reference: TranscriptRef = TranscriptRef(length=0, digest="")
    receipt: str = ""
    blob: str = ""
    before: int = 0
    after: int = 0
    usage: TokenUsage = TokenUsage()
    cost_usd: float | None = None
    problem: str = ""


def budget_for(settings: "AgentSettings", window: int | None) -> ContextBudget:
    """The budget of an agent with a model of this window (tokens); what the agent's settings say wins over it.

    - window = settings.context.window, else the model's, else `DEFAULT_WINDOW`
    - output_reserve = max_output_tokens, at most a quarter of the window
    - conversation = the smaller of window x share and what is left of the window after the output reserve and the
      shares of system and memory, but not less than a tenth of the window, or its share where that is smaller still
    """
    context, shares = settings.context, settings.context.shares
    size = context.window or window or DEFAULT_WINDOW
    reserve = min(settings.max_output_tokens, size // 4)
    left = size - reserve - int(size * (shares.system + shares.memory))
    return ContextBudget(
        window=size,
        output_reserve=reserve,
        conversation=min(int(size * shares.conversation), max(left, size // 10)),
        strategy=context.strategy,
        keep_turns=context.keep_turns,
    )

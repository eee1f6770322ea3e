"""What the tests of `context.compact` run it with: a run, a store and a model that are fakes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.context import ContextActivities
from activities.conversations import Known
from perdure.domain.agents import AgentSpec
from perdure.domain.context import Compaction, CompactRequest, ContextBudget, View
from perdure.domain.errors import AuthenticationFailed, PerdureError
from perdure.domain.messages import AssistantMessage, Message, SystemMessage, TextPart, TranscriptRef
from perdure.domain.ports import Price, ProviderReply, ProviderRequest, StopKind, TokenUsage
from perdure.domain.run import Setup
from perdure.domain.tools import ToolSpec
from perdure.domain.transcript import Transcript

__all__ = ["Answer", "Model", "Run", "Store", "compact", "run_of"]

PRICE = Price(input=1, output=10)
BUDGET = ContextBudget(window=100_000, output_reserve=8_000, conversation=50_000)


@dataclass
class Store:
    """Keeps blobs under one address after the other."""

    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    failure: PerdureError | None = None

    async def put(self, data: bytes) -> str:
        """Store, unless it should fail."""
        if self.failure:
            raise self.failure
        address = f"{len(self.blobs) + 1:040x}"
        self.blobs[address] = data
        return address

    async def get(self, address: str) -> bytes:
        """Return what was stored."""
        return self.blobs[address]


Answer = str | Exception | tuple[str, StopKind]


@dataclass
class Model:
    """Answers summaries in turn, the last one again and again, and is the only model there is."""

    answers: Sequence[Answer] = ("They did things.",)
    key: bool = True
    asked: list[ProviderRequest] = field(default_factory=list[ProviderRequest])

    def resolve(self, model: str) -> tuple["Model", str]:
        """This one for every name."""
        return self, model.removeprefix("test:")

    def check(self, model: str) -> None:
        """Fail without a key."""
        if not self.key:
            raise AuthenticationFailed(f"no key for {model}")

    async def reply(self, request: ProviderRequest, progress: Callable[[str], None]) -> ProviderReply:
        """Give the next answer."""
        progress("They")
        self.asked.append(request)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        text, stop = answer if isinstance(answer, tuple) else (answer, "end")
        message = AssistantMessage(content=(TextPart(text=text),))
        return ProviderReply(message=message, stop=stop, usage=TokenUsage(input=1_000, output=100))

    async def close(self) -> None:
        """Hold nothing."""

    @property
    def questions(self) -> list[str]:
        """What was asked, as text."""
        return [message.text for each in self.asked for message in each.conversation.messages if message.kind == "user"]


@dataclass
class Run:
    """A run's log and view, which the cache of conversations would know; its own finder."""

    log: list[Message]
    setup: Setup
    view: View = field(default_factory=View)

    @property
    def transcript(self) -> Transcript:
        """The visible messages."""
        visible = Transcript()
        visible.extend(self.log[number] for number in self.view.indices(self.shown))
        return visible

    @property
    def shown(self) -> int:
        """Number of visible messages."""
        return self.view.head + len(self.log) - self.view.tail

    async def find(self, transcript: TranscriptRef, new: tuple[Message, ...], basis: str, /) -> Known:
        """What is known of this run, which the request must mean."""
        assert (transcript, new, basis) == (self.transcript.ref, (), "basis")
        return Known(basis, self.setup, self.view, self.transcript)

    def take(self, found: Compaction) -> None:
        """What the workflow does with a compaction; what was computed must be what is read."""
        self.log.append(SystemMessage(text=found.receipt))
        self.view = found.view
        assert self.transcript.ref == found.reference
        assert self.transcript.size == found.after


def run_of(messages: Sequence[Message], *, tools: tuple[ToolSpec, ...] = (), **budget: Any) -> Run:
    """A run with these messages and a budget that differs in this."""
    setup = Setup(
        agent=AgentSpec(name="a"),
        model="test:m",
        instructions="",
        tools=tools,
        price=PRICE,
        context=BUDGET.model_copy(update=budget),
    )
    return Run(list(messages), setup)


async def compact(
    run: Run,
    target: int,
    *,
    model: Model | None = None,
    store: Store | None = None,
    attempt: int = 1,
) -> Compaction:
    """Run the activity once; a target below 0 is one of its size after an overflow."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, attempt=attempt)
    activities = ContextActivities(model or Model(), run, store or Store(), jitter=lambda: 0.0)
    request = CompactRequest(
        transcript=run.transcript.ref,
        basis="basis",
        target=abs(target),
        total=len(run.log),
        turn=7,
        overflowed=target < 0,
    )
    return await environment.run(activities.compact, request)

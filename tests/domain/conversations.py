"""Conversations for tests of the context: built by hand, or drawn by hypothesis."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from hypothesis import strategies as st

from perdure.domain.compaction import RECEIPT_MARK, Visible
from perdure.domain.messages import (
    AssistantMessage,
    CallPart,
    Message,
    SystemMessage,
    TextPart,
    ToolResultMessage,
    UserMessage,
)

__all__ = ["note", "talk", "turn", "user", "views", "visible"]


def user(text: str = "go on") -> UserMessage:
    """What a person says."""
    return UserMessage(text=text)


def note(text: str = "a note") -> SystemMessage:
    """A note of the runtime."""
    return SystemMessage(text=text)


def turn(text: str = "", results: Sequence[str] = ("done",), between: Sequence[Message] = ()) -> list[Message]:
    """An answer with one call for each result; `between` is said before the results come."""
    names = [f"call-{number}" for number in range(len(results))]
    calls = tuple(CallPart(id=name, tool="look", arguments={"text": text}) for name in names)
    answer = AssistantMessage(content=(TextPart(text=text), *calls))
    found = [
        ToolResultMessage(call_id=name, tool="look", text=result) for name, result in zip(names, results, strict=True)
    ]
    return [answer, *between, *found]


def talk(turns: int, size: int = 100) -> list[Message]:
    """A goal and so many turns with a result of `size` characters each."""
    return [user("the goal"), *(each for n in range(turns) for each in turn(f"step {n}", [f"{n} ".ljust(size, "x")]))]


def visible(messages: Sequence[Message], numbers: Sequence[int] | None = None) -> Visible:
    """The messages as they are selected from, numbered from 0."""
    jsons = [message.model_dump_json(exclude_defaults=True) for message in messages]
    return Visible(messages, jsons, range(len(messages)) if numbers is None else numbers)


_texts = st.text(alphabet='ab \n"\u00e9', max_size=60) | st.integers(0, 2_000).map(lambda size: "x" * size)
_turns = st.builds(
    turn,
    _texts,
    st.lists(_texts, max_size=4),
    st.lists(_texts.map(user), max_size=1),
)
_parts = _turns | _texts.map(lambda text: [user(text)]) | _texts.map(lambda text: [note(text)])
_receipts = _texts.map(lambda text: [note(f"{RECEIPT_MARK} {text}")])


@st.composite
def _views(draw: st.DrawFn) -> Visible:
    parts = [*draw(st.lists(_texts.map(lambda text: [user(text)]), min_size=0, max_size=1))]
    parts += draw(st.lists(_receipts, max_size=2))
    parts += draw(st.lists(_parts, min_size=1, max_size=60))
    messages = [message for part in parts for message in part]
    steps = draw(st.lists(st.sampled_from([1, 1, 1, 1, 5]), min_size=len(parts), max_size=len(parts)))
    return visible(messages, list(_numbers(parts, steps)))


def _numbers(parts: Sequence[Sequence[Message]], steps: Sequence[int]) -> Iterator[int]:
    """Numbers that leave gaps between parts only, as views do."""
    begins = accumulate(len(part) + step - 1 for part, step in zip(parts, steps, strict=True))
    for part, begin in zip(parts, [0, *begins][:-1], strict=True):
        yield from range(begin, begin + len(part))


views = _views()
"""Conversations with gaps, receipts, notes, and things said between calls and their results."""

"""The questions of a session: asked under an id, answered once and in order, replies held back while it moves on."""

from typing import TYPE_CHECKING

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.domain.sessions import Ask
from perdure.domain.state import Answer, Question, SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Questions"]

REMEMBERED = 10_000
"""Answered questions whose ids a session still knows."""
MOST_WAITING = 8
"""Senders that may wait while a person is asked: the server takes ten updates at once, and a decision is one."""
INLINE = 20
"""Replies that travel with the state of a continued session; older ones are read from the transcript."""


class Questions:
    """A queue in order of arrival, and the answers by message id."""

    def __init__(self) -> None:
        """Start with nothing asked; `ready` once it is known whether the session was there before."""
        self.ready = False
        self.asking = False
        """Whether the first question of the queue is being answered."""
        self.holding = False
        """Whether replies are held back, so that their senders cannot ask on: the session wants to continue as new."""
        self.moving = False
        """Whether the session continues as new in the middle of a question."""
        self.count = 0
        self.asks_people: Callable[[], bool] = lambda: False
        """Whether the question that is being answered waits for a person."""
        self._open: list[object] = []
        self._queue: list[Question] = []
        self._answers: dict[str, Answer] = {}
        self._over: ApplicationError | None = None

    @property
    def waiting(self) -> bool:
        """Whether a question is being answered or waits."""
        return bool(self._queue)

    async def ask(self, ask: Ask) -> Answer:
        """Queue the question, unless its id is known, and wait for its answer."""
        await workflow.wait_condition(lambda: self.ready or self._over is not None)
        name = ask.message_id
        if self._over is None and name not in self._answers and all(name != each.message_id for each in self._queue):
            self._queue.append(Question(message_id=name, text=ask.text))
        place = object()
        self._open.append(place)
        await workflow.wait_condition(lambda: self._settled(name, place))
        self._open.remove(place)
        if name in self._answers:
            return self._answers[name]
        if self._over is not None:
            raise self._over
        why = "continues as a new run" if self.moving else "waits for a person, and a decision needs room"
        msg = f"the session {why}: the question is kept, ask again with the same message_id to get the reply"
        raise ApplicationError(msg, type="ContinuedAsNew" if self.moving else "SessionBusy")

    def _settled(self, name: str, place: object) -> bool:
        if self.moving or self._over is not None:
            return True
        if name in self._answers:  # what waits for a person may wait for days: then no reply is held back
            return not self.holding or self.asks_people()
        return self.asks_people() and place not in self._open[:MOST_WAITING]

    def next(self) -> Question:
        """The question whose turn it is."""
        return self._queue[0]

    def answered(self, answer: Answer) -> None:
        """Take the answer to the question whose turn it was."""
        question = self._queue.pop(0)
        self._answers[question.message_id] = answer
        self.asking = False
        self.count += 1

    def end(self, why: ApplicationError) -> None:
        """Let every question that was not answered fail."""
        self._over = why

    def snapshot(self, idle_seconds: float) -> SessionState:
        """What a continued session needs; call it when the transcript has been stored."""
        known = list(self._answers.items())[-REMEMBERED:]
        old = {name: answer.model_copy(update={"reply": None, "details": None}) for name, answer in known[:-INLINE]}
        return SessionState(
            idle_seconds=idle_seconds,
            queue=tuple(self._queue),
            asking=self.asking,
            answers={**old, **dict(known[-INLINE:])},
            questions=self.count,
        )

    def restore(self, state: SessionState) -> None:
        """Go on as the session that this one continues; what was asked since comes after."""
        self._queue = [*state.queue, *self._queue]
        self._answers = dict(state.answers)
        self.asking, self.count = state.asking, state.questions

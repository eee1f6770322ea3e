"""The workflow `Session`: one conversation of many questions, each answered once and in order."""

import asyncio
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from perdure.domain.answer import parse_answer
from perdure.domain.archive import page_at
from perdure.domain.messages import UserMessage
from perdure.domain.model import JsonValue
from perdure.domain.run import RunResult, RunState, StopReason
from perdure.domain.sessions import Ask, SessionInput, SessionResult
from perdure.domain.state import Answer, Carried, SessionState
from workflows import calls
from workflows.carry import Rollover, archive, reopen, restore, snapshot
from workflows.control import RolloverError
from workflows.handlers import Handlers
from workflows.lifetime import CANCELLED_SECONDS
from workflows.loop import run_agent
from workflows.payloads import is_carried, parse
from workflows.questions import Questions

__all__ = ["Session"]

PATIENCE = 2
"""A question is cut by continuing as new only at this many times the thresholds: whoever waits must then ask again."""


@workflow.defn(name="Session")
class Session(Handlers):
    """A conversation: `ask` by update-with-start. It closes when it is idle, and opens again with all it knew."""

    @workflow.init
    def __init__(self, *payload: JsonValue) -> None:
        """Take up the state of the run that this one continues, before any handler sees it; else start idle."""
        super().__init__()
        self._run.asks_on = True
        self._questions = Questions()
        self._questions.asks_people = lambda: bool(self._run.approvals.pending)
        self._idle = SessionInput().idle_seconds
        if is_carried(payload):
            state = parse(Carried, payload, "state of the run before")
            restore(self._run, state)
            self._take(state.session)
            self._questions.ready = True
        self._rollover = Rollover(self._run)
        self._run.control.rolling = lambda: self._rollover.due(PATIENCE)

    @workflow.update(name="ask")
    async def ask(self, *payload: JsonValue) -> JsonValue:
        """Ask `{"text", "message_id"}` and get the reply; a question without one fails with its stop reason."""
        found = await self._questions.ask(parse(Ask, payload, "update ask"))
        if found.code:
            raise ApplicationError(found.text, found.details, type=found.code, non_retryable=True)
        log = self._run.log
        page = None if found.message is None else page_at(log.pages, "messages", found.message, 1, len(log))
        if found.reply is not None or page is None:
            return found.reply
        text = await calls.stored_reply(page.blob, page.skip)
        return text if self._run.setup.output_schema is None else parse_answer(text)[0]

    @ask.validator
    def _check_ask(self, *payload: JsonValue) -> None:
        parse(Ask, payload, "update ask")

    @workflow.run
    async def run(self, *payload: JsonValue) -> SessionResult:
        """Answer questions until the session is idle or stopped; fails when its configuration is at fault."""
        run = self._run
        try:
            if not run.is_prepared:
                await self._open(parse(SessionInput, payload, "input of Session"))
            closed = await self._serve()
        except asyncio.CancelledError:
            run.control.enter(RunState.CANCELLED)
            await run.journal.end("cancelled", within=CANCELLED_SECONDS)
            raise
        except ApplicationError as error:
            run.control.enter(RunState.FAILED)
            self._questions.end(error)
            await workflow.wait_condition(workflow.all_handlers_finished)
            raise
        run.control.enter(RunState.COMPLETED)
        await run.journal.end(closed)
        return SessionResult(questions=self._questions.count, closed=closed, usage=run.total.usage)

    async def _open(self, given: SessionInput) -> None:
        """Begin, or go on where a closed session of this id was."""
        run, earlier = self._run, await calls.open_session()
        if earlier is not None:
            reopen(run, earlier)
            self._take(earlier.session)
        if earlier is None or "idle_seconds" in given.model_fields_set:
            self._idle = given.idle_seconds
        run.begin(given.input(None if earlier is None else earlier.given))
        run.prepared(await calls.prepare(run.given))
        if earlier is not None:  # from here on it is this run that knows: what was kept must not be taken up again
            await calls.close_session(None)
        self._questions.ready = True

    async def _serve(self) -> Literal["idle", "stopped"]:
        run, questions = self._run, self._questions
        while not run.control.stopping:
            if questions.waiting:
                await self._answer()
                questions.holding = self._rollover.due()
            elif self._rollover.due():
                await self._continue()
            elif not await self._question_comes() and await self._close():
                return "idle"
        run.control.enter(RunState.CHECKPOINTING)
        await calls.close_session(None)
        questions.end(ApplicationError("the session has been stopped", type=StopReason.STOPPED, non_retryable=True))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return "stopped"

    async def _answer(self) -> None:
        """Answer the question whose turn it is; one that fails fails alone."""
        run, questions = self._run, self._questions
        question = questions.next()
        if not questions.asking:
            questions.asking = True
            run.ask()
            text = question.text if len(run.log) else run.given.model_copy(update={"goal": question.text}).first_message
            run.log.add(UserMessage(text=text, id=question.message_id))
        run.control.enter(RunState.EXECUTING)
        try:
            answer = _answer_of(await run_agent(run), len(run.log) - 1)
        except ApplicationError as error:
            run.approvals.close()
            answer = Answer(code=error.type or "error", text=error.message)
        except RolloverError:
            questions.moving = True
            await archive(run)
            await workflow.wait_condition(workflow.all_handlers_finished)
            workflow.continue_as_new(args=[snapshot(run, self._state())])
        questions.answered(answer)

    async def _question_comes(self) -> bool:
        """Wait for something to do; False: the session was idle for too long."""
        run, questions = self._run, self._questions
        run.control.enter(RunState.IDLE)
        try:
            await workflow.wait_condition(
                lambda: questions.waiting or run.control.stopping or self._rollover.due(),
                timeout=timedelta(seconds=self._idle),
                timeout_summary="idle session closes",
            )
        except TimeoutError:
            return False
        return True

    async def _continue(self) -> None:
        """Continue as new, unless a question comes in between: replies are held back until nobody waits for another.

        Replies and the continuation leave in one step, so no question can be accepted and lost between them.
        """
        await archive(self._run)
        if not await self._handlers_gone():
            return
        workflow.continue_as_new(args=[snapshot(self._run, self._state())])

    async def _close(self) -> bool:
        """Keep everything for a later session of this id; False: a question came in between."""
        await archive(self._run)
        if self._questions.waiting:
            return False
        await calls.close_session(snapshot(self._run, self._state()))
        return await self._handlers_gone()

    async def _handlers_gone(self) -> bool:
        """Give out the replies that were held back; False: a question waits, which only this run can answer."""
        questions = self._questions
        if questions.waiting:
            return False
        questions.holding = False
        await workflow.wait_condition(lambda: workflow.all_handlers_finished() or questions.waiting)
        return not questions.waiting

    def _state(self) -> SessionState:
        return self._questions.snapshot(self._idle)

    def _take(self, state: SessionState | None) -> None:
        if state is not None:
            self._idle = state.idle_seconds
            self._questions.restore(state)


def _answer_of(result: RunResult, message: int) -> Answer:
    if result.success:
        return Answer(reply=result.output, message=message)
    words = result.error.message if result.error else f"the question ended with {result.stop_reason}"
    return Answer(code=result.stop_reason, text=words, details=result.model_dump(mode="json"))

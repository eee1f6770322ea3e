"""Who hears what happens in a run that is followed: a person, a program, or nobody until the end."""

from typing import Protocol

from perdure.cli.events import ToolEvent
from perdure.cli.output import Format, Output, clean
from perdure.cli.rendering import message_lines, request_lines, usage_words
from perdure.domain.approvals import Request
from perdure.domain.messages import Message
from perdure.domain.run import RunState, RunStatus

__all__ = ["JsonLines", "Listener", "Nobody", "Person", "listener_for"]


class Listener(Protocol):
    """Hears what happens in a run and in those it started; `label` is empty for the run itself."""

    def message(self, workflow_id: str, label: str, message: Message) -> None:
        """A message was added to the conversation."""
        ...

    def tool(self, workflow_id: str, event: ToolEvent) -> None:
        """A tool call started or ended."""
        ...

    def status(self, workflow_id: str, label: str, status: RunStatus) -> None:
        """The run was asked where it stands."""
        ...

    def request(self, request: Request) -> None:
        """A request waits that did not wait before."""
        ...

    def failed(self) -> None:
        """The run has ended without a result."""
        ...


class Nobody:
    """Hears nothing: one JSON document comes at the end."""

    def message(self, workflow_id: str, label: str, message: Message) -> None:
        """See Listener."""

    def tool(self, workflow_id: str, event: ToolEvent) -> None:
        """See Listener."""

    def status(self, workflow_id: str, label: str, status: RunStatus) -> None:
        """See Listener."""

    def request(self, request: Request) -> None:
        """See Listener."""

    def failed(self) -> None:
        """See Listener."""


class JsonLines:
    """Hears everything as JSON lines."""

    def __init__(self, out: Output) -> None:
        """Write there."""
        self._out = out
        self._states: dict[str, tuple[object, ...]] = {}

    def message(self, workflow_id: str, label: str, message: Message) -> None:
        """See Listener."""
        agent = {"agent": label} if label else {}
        self._out.event("message", workflow_id=workflow_id, **agent, message=message)

    def tool(self, workflow_id: str, event: ToolEvent) -> None:
        """See Listener."""
        call = {"workflow_id": workflow_id, "number": event.call.number, "tool": event.call.tool}
        if event.outcome is None:
            self._out.event("tool.started", **call, arguments=event.call.arguments, key=event.call.key)
        else:
            self._out.event("tool.finished", **call, error=event.outcome.error, text=event.outcome.text)

    def status(self, workflow_id: str, label: str, status: RunStatus) -> None:  # noqa: ARG002 - the id says enough
        """See Listener."""
        now = (status.state, status.waiting_for, status.turn, status.tool_calls)
        if self._states.get(workflow_id) == now:
            return
        self._states[workflow_id] = now
        self._out.event(
            "state",
            workflow_id=workflow_id,
            state=status.state,
            waiting_for=status.waiting_for,
            turn=status.turn,
            tool_calls=status.tool_calls,
            usage=status.usage,
        )

    def request(self, request: Request) -> None:
        """See Listener."""
        self._out.event("request", workflow_id=request.workflow_id, request=request)

    def failed(self) -> None:
        """See Listener."""


class Person:
    """Reads along: texts and calls as they come, a line of cost after each turn, requests in full.

    The last text of the model is held back until it is known not to be the result, which is printed at the end.
    """

    def __init__(self, out: Output) -> None:
        """Write there."""
        self._out = out
        self._held: list[str] = []
        self._turns: dict[str, int] = {}
        self._states: dict[str, tuple[object, ...]] = {}
        self._warned: set[str] = set()

    def message(self, workflow_id: str, label: str, message: Message) -> None:  # noqa: ARG002 - the label says enough
        """See Listener."""
        self._release()
        lines = [f"[{clean(label)}] {line}" if label else line for line in message_lines(message)]
        if message.kind == "assistant" and not message.calls and not label:
            self._held = lines
            return
        for line in lines:
            self._out.dim(line) if line.startswith(("  ", "»")) else self._out.text(line)

    def _release(self) -> None:
        for line in self._held:
            self._out.text(line)
        self._held = []

    def tool(self, workflow_id: str, event: ToolEvent) -> None:
        """See Listener."""

    def status(self, workflow_id: str, label: str, status: RunStatus) -> None:
        """See Listener."""
        name = f"[{clean(label)}] " if label else ""
        for warning in status.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._out.note(f"warning: {clean(warning)}")
        if status.turn > self._turns.get(workflow_id, 0):
            self._turns[workflow_id] = status.turn
            self._out.dim(f"  {name}{usage_words(status.turn, status.tool_calls, status.usage)}")
        self._state(workflow_id, name, status)

    def _state(self, workflow_id: str, name: str, status: RunStatus) -> None:
        before, now = self._states.get(workflow_id), (status.state, status.waiting_for)
        self._states[workflow_id] = now
        if before == now or (status.pending and status.state is RunState.WAITING):
            return
        if status.state is RunState.WAITING:
            self._out.text(f"{name}waiting for {clean(status.waiting_for or 'something')}")
        elif status.state in (RunState.PAUSED, RunState.STOPPING):
            self._out.text(f"{name}the run is {status.state}")
        elif before is not None and before[0] is RunState.PAUSED:
            self._out.text(f"{name}the run goes on")

    def request(self, request: Request) -> None:
        """See Listener."""
        self._release()
        for line in request_lines(request):
            self._out.text(line)

    def failed(self) -> None:
        """See Listener."""
        self._release()


def listener_for(out: Output) -> Listener:
    """The listener for this form of output."""
    kinds: dict[Format, Listener] = {Format.TEXT: Person(out), Format.JSON: Nobody(), Format.JSONL: JsonLines(out)}
    return kinds[out.form]

"""Control verbs on their way to one run or to many."""

from dataclasses import dataclass, field

from perdure.cli.cli import Cli
from perdure.cli.deciding import update
from perdure.cli.errors import ExitCode
from perdure.cli.many import each, matching, tell_one
from perdure.cli.session import Session, open_session
from perdure.cli.signing import token_for
from perdure.domain.control import ControlPayload

__all__ = ["Order", "control_many", "control_one"]


@dataclass(frozen=True)
class Order:
    """What is to be done, by whom and why; `token` is the one that was given."""

    verb: str
    by: str
    reason: str
    token: str | None = field(default=None, repr=False)


async def control_one(cli: Cli, run: str, order: Order) -> ExitCode:
    """Carry out a verb on one run, and tell its new state."""
    session = await open_session(cli)
    await session.open_run(run)
    state = await _send(session, run, order)
    return tell_one(cli, run, state=state)


async def control_many(cli: Cli, query: str, order: Order, *, yes: bool) -> ExitCode:
    """Carry out a verb on every open run that matches; fails when it failed on any."""
    session = await open_session(cli)
    names = await matching(session, query)
    return await each(session, order.verb, names, lambda run: _send(session, run, order), yes=yes)


async def _send(session: Session, run: str, order: Order) -> str:
    """The state that follows."""
    token = token_for(session.settings, order.token, order.by, run, order.verb)
    payload = ControlPayload(by=order.by, reason=order.reason, token=token)
    return await update(session, run, order.verb, payload, str)

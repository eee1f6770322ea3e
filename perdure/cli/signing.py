"""Tokens of the command line: read from `--token`, or signed here when PERDURE_SIGNING_KEY is set."""
# ruff: noqa: PLC0415 - PyJWT and cryptography are loaded by those who have a key, not by every decision

import sys
from typing import TYPE_CHECKING

from perdure.cli.errors import CliError, ExitCode
from perdure.domain.identity import MAX_NAME, MAX_TOKEN, Role

if TYPE_CHECKING:
    from perdure.settings import Settings

__all__ = ["given_token", "name_for", "requester", "token_for"]

ROLES = (Role.APPROVER, Role.OPERATOR)
STDIN = "-"
HINT = "give the token itself, or `--token -` and one line on stdin"


def given_token(option: str | None) -> str | None:
    """The token that `--token` gives, `-` being one line of stdin; None without the option.

    Raises CliError, which never quotes it, for one that is empty, too long, or made of other things than a token is.
    """
    if option is None:
        return None
    token = (_line() if option == STDIN else option).strip()
    if not token:
        where = "stdin has no line" if option == STDIN else "it is empty"
        raise _wrong(f"--token: {where}")
    if len(token) > MAX_TOKEN:
        raise _wrong(f"--token: at most {MAX_TOKEN} characters fit")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _wrong("--token: a token is one word of plain letters, digits and .-_")
    return token


def name_for(option: str | None, token: str | None) -> str:
    """Who acts: the name given, else whom the token names (the worker checks it), else the person at this machine."""
    from perdure.cli.deciding import me

    return option or (_subject(token) if token else "") or me()


def requester() -> str:
    """Who asks for a run: the person at this machine where decisions are signed, else nobody.

    Who asked for a run may not approve its calls. Without keys names prove nothing, and one person does both.
    """
    from perdure.cli.deciding import me
    from perdure.settings import load_settings

    return "" if load_settings().signing_key is None else me()


def token_for(  # noqa: PLR0913 - what a token is bound to
    settings: "Settings",
    token: str | None,
    subject: str,
    workflow_id: str,
    act: str,
    *,
    request_id: str = "",
    digest: str = "",
    content: str = "",
) -> str | None:
    """The token that was given, else one signed for this act with PERDURE_SIGNING_KEY; None when there is no key.

    `act` is a verdict or a control verb. Raises SettingsError for a key that cannot be used.
    """
    if token is not None or settings.signing_key is None:
        return token
    from perdure.identity import Signer

    return Signer(settings.signing_key).sign(
        subject, ROLES, workflow_id=workflow_id, act=act, request_id=request_id, digest=digest, content=content
    )


def _line() -> str:
    return sys.stdin.buffer.readline(MAX_TOKEN + 2).decode("ascii", errors="replace")


def _subject(token: str) -> str:
    """The `sub` of a token that nobody has checked yet; empty when it has none that is a name."""
    import jwt

    try:
        subject = jwt.decode(token, options={"verify_signature": False}).get("sub")
    except jwt.InvalidTokenError:
        return ""
    return subject if isinstance(subject, str) and len(subject) <= MAX_NAME else ""


def _wrong(message: str) -> CliError:
    return CliError(ExitCode.USAGE, "InvalidInput", message, HINT)

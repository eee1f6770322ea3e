"""Structured logs on stderr: dotted event names, JSON lines in production, readable lines on a terminal."""

import logging
import sys
import traceback
from typing import cast

import structlog

__all__ = ["configure_logging"]

TALKATIVE = ("httpx2",)
"""Libraries that log the address of each request: those of webhooks may hold secrets, and models choose others."""


def configure_logging(*, json: bool, level: int = logging.INFO, private: bool = False) -> None:
    """Send structlog and the standard library's loggers to stderr in one form; called by entry points only.

    With `private` an exception is logged as its types and the places in the code, without its words: they may quote
    what runs say, and runs are encrypted.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_words if private else structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _without_words(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, tuple):
        found = cast("tuple[object, ...]", found)[1]
    if isinstance(found, BaseException):
        event["exception"] = "\n".join(_places(found))
    return event


def _places(error: BaseException) -> list[str]:
    """Type and frames of an exception and of what led to it, the first cause last."""
    lines: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(type(seen).__name__)
        frames = traceback.extract_tb(seen.__traceback__)
        lines += [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames)]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return lines

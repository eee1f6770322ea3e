"""Logs: one form, and no words of runs in them when runs are encrypted."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from perdure.observability import configure_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    sdk = logging.getLogger("temporalio")  # a command that ran in this process has silenced it
    silenced = sdk.level
    sdk.setLevel(logging.NOTSET)
    yield
    sdk.setLevel(silenced)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail() -> None:
    """Raise an error that has another as its cause."""
    raise ValueError("what a run said") from KeyError("what a tool said")


@pytest.mark.parametrize("private", [True, False])
def test_the_words_of_exceptions_are_left_out_of_private_logs(
    *, private: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Types and places stay, for those of the SDK as for our own."""
    configure_logging(json=True, private=private)
    try:
        fail()
    except ValueError as error:
        logging.getLogger("temporalio.activity").warning("Completing activity as failed", exc_info=True)
        structlog.get_logger("ours").warning("run.failed", exc_info=error)
    written = capsys.readouterr().err
    assert written.count("ValueError") == written.count("KeyError") >= 2
    assert "Completing activity as failed" in written
    assert "in fail" in written
    assert (" said" in written) is not private

"""What a worker says of decisions before it takes any."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from perdure.settings import Settings, SettingsError
from perdure.working import tell_who_decides


def test_it_is_said_when_names_prove_nothing() -> None:
    """Without keys whoever reaches the server can approve."""
    with capture_logs() as logs:
        tell_who_decides(Settings())
    assert [(entry["event"], entry["setting"]) for entry in logs] == [
        ("worker.unsigned_decisions", "PERDURE_PUBLIC_KEYS")
    ]


def test_with_keys_nothing_needs_saying(tmp_path: Path) -> None:
    """Then only signed decisions count."""
    with capture_logs() as logs:
        tell_who_decides(Settings(public_keys=tmp_path / "keys.pem"))
    assert logs == []


def test_a_worker_that_could_take_no_decision_does_not_start() -> None:
    """Every request would wait for ever."""
    with pytest.raises(SettingsError, match="PERDURE_UNSIGNED=deny needs PERDURE_PUBLIC_KEYS"):
        tell_who_decides(Settings(unsigned="deny"))

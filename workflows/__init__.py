"""Deterministic code: what an agent run decides. `WORKFLOWS` is the one list for worker, replayer and tests."""

from workflows.agent import Agent
from workflows.session import Session

__all__ = ["WORKFLOWS"]

WORKFLOWS = (Agent, Session)

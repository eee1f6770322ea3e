"""Deterministic code: what an agent run decides. `WORKFLOWS` is the one list for worker, replayer and tests."""

from workflows.agent import Agent

__all__ = ["WORKFLOWS"]

WORKFLOWS = (Agent,)

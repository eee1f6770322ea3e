"""Deterministic code: what runs and patterns decide. `WORKFLOWS` is the one list for worker, replayer and tests."""

from workflows.agent import Agent
from workflows.definition.workflow import Definition
from workflows.patterns.parallel import Parallel
from workflows.patterns.review import Review
from workflows.patterns.vote import Vote
from workflows.session import Session

__all__ = ["WORKFLOWS"]

WORKFLOWS = (Agent, Session, Definition, Parallel, Review, Vote)

"""Deterministic code: what runs and patterns decide. `WORKFLOWS` is the one list for worker, replayer and tests."""

from workflows.agent import Agent
from workflows.patterns.decompose import Decompose
from workflows.patterns.handoff import Handoff
from workflows.patterns.parallel import Parallel
from workflows.patterns.pipeline import Pipeline
from workflows.patterns.review import Review
from workflows.patterns.vote import Vote
from workflows.session import Session

__all__ = ["WORKFLOWS"]

WORKFLOWS = (Agent, Session, Decompose, Handoff, Parallel, Pipeline, Review, Vote)

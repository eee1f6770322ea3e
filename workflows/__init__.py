"""Deterministic code: what runs and patterns decide. `WORKFLOWS` is the one list for worker, replayer and tests."""

from workflows.agent import Agent
from workflows.definition.workflow import Definition
from workflows.patterns.best_of import BestOf
from workflows.patterns.consensus import Consensus
from workflows.patterns.debate import Debate
from workflows.patterns.decompose import Decompose
from workflows.patterns.graph import Graph
from workflows.patterns.handoff import Handoff
from workflows.patterns.hierarchy import Hierarchy
from workflows.patterns.iterative import Iterative
from workflows.patterns.linear import Linear
from workflows.patterns.map_reduce import MapReduce
from workflows.patterns.mesh import Mesh
from workflows.patterns.parallel import Parallel
from workflows.patterns.peer import Peer
from workflows.patterns.pipeline import Pipeline
from workflows.patterns.plan_execute import PlanExecute
from workflows.patterns.reflexion import Reflexion
from workflows.patterns.review import Review
from workflows.patterns.selfrefine import SelfRefine
from workflows.patterns.synthesis import Synthesis
from workflows.patterns.tree_search import TreeSearch
from workflows.patterns.vote import Vote
from workflows.session import Session

__all__ = ["WORKFLOWS"]

WORKFLOWS = (
    Agent,
    Session,
    BestOf,
    Consensus,
    Debate,
    Decompose,
    Definition,
    Graph,
    Handoff,
    Hierarchy,
    Iterative,
    Linear,
    MapReduce,
    Mesh,
    Parallel,
    Peer,
    Pipeline,
    PlanExecute,
    Reflexion,
    Review,
    SelfRefine,
    Synthesis,
    TreeSearch,
    Vote,
)

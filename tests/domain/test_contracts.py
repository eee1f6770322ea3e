"""Contracts of roles: what fits, and what is said of what does not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from perdure.domain.arguments import check_output_schema, check_value
from perdure.domain.contracts import Contract, Contracts, ReviewerInput, ReviewerOutput, contracts
from perdure.domain.errors import ConfigurationError, InvalidInput

STACK = {"frontend": [], "backend": ["Python"], "database": ["SQLite"], "infrastructure": []}
DESIGN = {
    "tech_stack": STACK,
    "component_diagram": "%% drawn by hand\nflowchart LR\n  cli --> store",
    "api_strategy": "none",
    "rationale": "it is small",
}
CODE = {"files": [{"path": "a.py", "content": "", "language": "python"}], "dependencies": []}
ISSUE = {"severity": "low", "category": "style", "location": "a.py:1", "description": "long", "suggestion": "cut"}
REVIEW = {"issues": [ISSUE], "score": 88, "approved": True, "summary": "good", "strengths": [], "weaknesses": []}
ANSWERS: dict[str, dict[str, Any]] = {"architect": DESIGN, "coder": CODE, "reviewer": REVIEW}
INPUTS: dict[str, dict[str, Any]] = {
    "architect": {"requirements": "a list of things to do", "tech_preferences": {"backend": "Python"}},
    "coder": {"spec": "add numbers", "language": "python", "tech_stack": STACK},
    "reviewer": {"code": "print('hello')", "focus_areas": ["security"]},
}


@pytest.mark.parametrize("role", ANSWERS)
def test_what_fits_is_taken(role: str) -> None:
    """By the models, and by the schema that the model is sent."""
    contract = contracts.get(role)
    contract.accept(INPUTS[role])
    assert contract.misfit(json.dumps(ANSWERS[role])) == ""
    assert check_output_schema(contract.output_schema) == ""
    assert check_value(contract.output_schema, ANSWERS[role]) == ""


WRONG_ANSWERS: list[tuple[str, dict[str, Any], str]] = [
    ("architect", {"component_diagram": "a box"}, "role architect: component_diagram: a Mermaid diagram begins with"),
    ("architect", {"component_diagram": ""}, "component_diagram"),
    ("architect", {"tech_stack": {**STACK, "cloud": []}}, "role architect: tech_stack.cloud: unknown field"),
    ("architect", {"rationale": " "}, "role architect: rationale"),
    ("coder", {"files": []}, "role coder: files"),
    ("coder", {"files": [*CODE["files"], {**CODE["files"][0], "path": "./a.py"}]}, "files: two of them"),  # type: ignore[dict-item]
    ("coder", {"files": [{**CODE["files"][0], "path": "../a.py"}]}, "files.0.path: it must be a relative path"),  # type: ignore[dict-item]
    ("coder", {"notes": "x"}, "role coder: notes: unknown field"),
    ("reviewer", {"score": 101}, "role reviewer: score"),
    ("reviewer", {"score": "88"}, "role reviewer: score"),
    ("reviewer", {"issues": [{**ISSUE, "severity": "bad"}]}, "role reviewer: issues.0.severity"),
    (
        "reviewer",
        {"issues": [ISSUE, {**ISSUE, "severity": "critical"}]},
        "role reviewer: approved: it must be false, because issues.1 is critical",
    ),
]


@pytest.mark.parametrize(("role", "changed", "words"), WRONG_ANSWERS)
def test_a_misfit_names_role_and_field(role: str, changed: dict[str, Any], words: str) -> None:
    """So that the model can mend it."""
    assert words in contracts.get(role).misfit(json.dumps({**ANSWERS[role], **changed}))


WRONG_INPUTS: list[tuple[str, dict[str, Any], str]] = [
    ("architect", {"requirements": "short"}, "input of role architect: requirements"),
    ("coder", {"spec": "x"}, "input of role coder: language: required"),
    ("reviewer", {"code": "print('hello')", "tone": "kind"}, "input of role reviewer: tone: unknown field"),
]


@pytest.mark.parametrize(("role", "given_input", "words"), WRONG_INPUTS)
def test_a_wrong_input_is_refused_with_role_and_field(role: str, given_input: dict[str, Any], words: str) -> None:
    """Before anything is paid for."""
    with pytest.raises(InvalidInput) as refused:
        contracts.get(role).accept(given_input)
    assert words in refused.value.message


@given(st.lists(st.sampled_from(["critical", "high", "medium", "low", "info"]), max_size=5), st.booleans())
def test_nothing_critical_is_approved(severities: list[str], approved: bool) -> None:  # noqa: FBT001 - drawn
    """A review fits exactly when it does not approve what has a critical issue."""
    issues = [{**ISSUE, "severity": severity} for severity in severities]
    problem = contracts.get("reviewer").misfit(json.dumps({**REVIEW, "issues": issues, "approved": approved}))
    assert bool(problem) == (approved and "critical" in severities)


def test_roles_of_ones_own() -> None:
    """Registered once, found by name; another contract under the name and open models are refused."""

    class Loose(BaseModel):
        """Takes what it does not know."""

        text: str

    class Strict(BaseModel):
        """Refuses it, but holds one that does not."""

        model_config = ConfigDict(extra="forbid")
        inner: Loose

    own = Contracts()
    own.register("judge", ReviewerInput, ReviewerOutput)
    own.register("judge", ReviewerInput, ReviewerOutput)
    assert own.get("judge") == Contract("judge", ReviewerInput, ReviewerOutput)
    with pytest.raises(ConfigurationError, match="has a contract already"):
        own.register("judge", ReviewerInput, ReviewerInput)
    with pytest.raises(ConfigurationError, match="Loose lets unknown fields pass"):
        own.register("other", ReviewerInput, Loose)
    with pytest.raises(ConfigurationError, match="Loose lets unknown fields pass"):
        own.register("other", Strict, ReviewerOutput)
    with pytest.raises(ConfigurationError, match=r"no role is called 'juge'. Did you mean 'judge'\?"):
        own.get("juge")

"""Scenarios of the modes of reasoning: text form, a tree of thoughts, and the contract of a role."""

import json
from typing import Any

from temporalio.client import WorkflowHandle

from perdure.domain.react import action_text, finish_text
from perdure.testing import ALLOW_ALL, Environment
from tests.samples import Host

__all__ = ["text_form", "thoughts"]

Handle = WorkflowHandle[Any, Any]


async def text_form(env: Environment, _host: Host) -> Handle:
    """Calls in text, answers out of form, and a structured answer that is repaired."""
    pay, look = action_text("", "pay", '{"n": 1}'), action_text("Look.", "look", '{"n": 2}')
    turns = ["hm", pay, "hm", "well", look, finish_text("", {"n": "2"}), finish_text("", {"n": 2})]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    agent = {"name": "words", "reasoning": "react"}
    handle = await env.start("go", model=env.model(turns), agent=agent, policy=ALLOW_ALL, output_schema=schema)
    await handle.result()
    return handle


async def thoughts(env: Environment, _host: Host) -> Handle:
    """Levels of thought, one of them out of form, then a review that first contradicts itself."""
    level = json.dumps({"thoughts": [{"thought": "a", "score": 0.1}, {"thought": "b", "score": 0.9}]})
    issue = {"severity": "critical", "category": "c", "location": "l", "description": "d", "suggestion": "s"}
    review = {"issues": [issue], "score": 5, "summary": "bad", "strengths": [], "weaknesses": ["w"]}
    reviews = [json.dumps({**review, "approved": approved}) for approved in (True, False)]
    agent: dict[str, Any] = {"name": "rev", "reasoning": "tot", "role": "reviewer", "tools": []}
    given = {"code": "print('hello')"}
    model = env.model([level, "hm", level, *reviews])
    handle = await env.start("review", model=model, agent=agent, input=given)
    await handle.result()
    return handle

"""Tools that the workflow itself hosts, because they wait: only what the model sees of them."""

from perdure.domain.model import JsonObject
from perdure.domain.tools import Effect, ToolSpec

__all__ = ["ASK_HUMAN", "DELEGATE", "HOSTED"]


def _schema(properties: JsonObject, required: list[str]) -> JsonObject:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


ASK_HUMAN = ToolSpec(
    name="ask_human",
    description="Ask the person in charge a question and wait for the answer. Use it when only a person can know.",
    parameters=_schema(
        {
            "question": {
                "type": "string",
                "minLength": 1,
                "description": "one question, with what is needed to answer it",
            },
            "options": {
                "anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}],
                "default": None,
                "description": "answers to choose from; leave out for a free answer",
            },
        },
        required=["question"],
    ),
    effect=Effect.PURE,
    host="workflow",
    source="perdure/tools/builtin/hosted.py",
)

DELEGATE = ToolSpec(
    name="delegate",
    description="Give a part of the work to another agent and get its result. The agent knows only what the goal says.",
    parameters=_schema(
        {
            "agent": {"type": "string", "minLength": 1, "description": "name of the agent"},
            "goal": {"type": "string", "minLength": 1, "description": "what to reach, with everything it must know"},
        },
        required=["agent", "goal"],
    ),
    effect=Effect.PURE,
    host="workflow",
    source="perdure/tools/builtin/hosted.py",
)

HOSTED = (ASK_HUMAN, DELEGATE)

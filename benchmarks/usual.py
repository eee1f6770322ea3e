"""The usual agent on Temporal: the workflow keeps the transcript and hands all of it to each model call."""

import json
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from openai import AsyncOpenAI

    from benchmarks.local_model import MODEL
    from benchmarks.prose import text_of

__all__ = ["Usual", "UsualActivities"]

Message = dict[str, Any]


class UsualActivities:
    """A model call with the whole conversation as its input, and the tool."""

    def __init__(self, client: AsyncOpenAI, result: int) -> None:
        """Call this model; results of the tool have so many bytes."""
        self._client = client
        self._result = result

    @activity.defn(name="usual.model")
    async def model(self, messages: list[Message]) -> Message:
        """Ask the model. The SDK's low-level request keeps its own validation out of the comparison."""
        answer: Any = await self._client.post(
            "/chat/completions", body={"model": MODEL, "messages": messages}, cast_to=object
        )
        return answer["choices"][0]["message"]

    @activity.defn(name="usual.tool")
    async def tool(self, arguments: Message) -> str:
        """Read a page."""
        return text_of(arguments["n"], self._result)


@workflow.defn(name="Usual")
class Usual:
    """The loop that everybody writes first."""

    @workflow.run
    async def run(self, goal: str) -> int:
        """Ask and call until there is an answer; the number of messages."""
        messages: list[Message] = [{"role": "user", "content": goal}]
        while True:
            message = await self._do("usual.model", messages, Message)
            messages.append(message)
            if not message.get("tool_calls"):
                return len(messages)
            for call in message["tool_calls"]:
                result = await self._do("usual.tool", json.loads(call["function"]["arguments"]), str)
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    async def _do(self, name: str, argument: object, kind: type) -> Any:  # noqa: ANN401 - what the activity returns
        return await workflow.execute_activity(
            name,
            argument,
            result_type=kind,
            start_to_close_timeout=timedelta(seconds=60),
        )

"""What a turn costs over HTTP beside a plain loop with the vendor's SDK that keeps nothing, as a ratio.

    uv run python benchmarks/over_http.py [--short]

W(300, 2 KB): 300 tool calls with results of 2,000 bytes and 200 of text beside each, all of it sent with every call,
against one local model in a process of its own. Ours: the embedded server and a worker process, streamed. The plain
loop: `chat.completions.create` of the OpenAI SDK, not streamed, in this process, with nothing durable.
"""

import asyncio
import os
import statistics
import sys
import time
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a file, from anywhere

from openai import AsyncOpenAI

from benchmarks.local_model import MODEL, LocalModel, local_model
from benchmarks.place import Place, place
from benchmarks.prose import text_of
from perdure.testing import ALLOW_ALL

if TYPE_CHECKING:
    from openai.types.chat import (
        ChatCompletionAssistantMessageParam,
        ChatCompletionFunctionToolParam,
        ChatCompletionMessage,
        ChatCompletionMessageParam,
    )
    from openai.types.chat.chat_completion_message_function_tool_call_param import Function

CALLS, RESULT = 300, 2_000
ROUNDS = 5
BOUND = 0.65
WINDOW = 1_000_000
"""Tokens, so that nothing leaves the conversation: the plain loop sends all of it too."""
TOOL = "read_page"
READ_PAGE: "ChatCompletionFunctionToolParam" = {
    "type": "function",
    "function": {
        "name": TOOL,
        "description": "Read page n.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}
IDS = count(1)


async def plain(client: AsyncOpenAI) -> float:
    """Milliseconds per turn of the plain loop: the list of messages grows and is sent whole each time."""
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Read every page."}]
    begin = time.perf_counter()
    for number in count():
        answer = await client.chat.completions.create(model=MODEL, messages=messages, tools=[READ_PAGE])
        message = answer.choices[0].message
        if not message.tool_calls:
            assert number == CALLS, number
            break
        messages += _answered(message, number)
    return (time.perf_counter() - begin) * 1000 / CALLS


def _answered(message: "ChatCompletionMessage", number: int) -> "list[ChatCompletionMessageParam]":
    """The message and the result of its call, as the next request has them."""
    call = (message.tool_calls or [])[0]
    assert call.type == "function"
    named: Function = {"name": call.function.name, "arguments": call.function.arguments}
    asked: ChatCompletionAssistantMessageParam = {
        "role": "assistant",
        "content": message.content,
        "tool_calls": [{"id": call.id, "type": "function", "function": named}],
    }
    return [asked, {"role": "tool", "tool_call_id": call.id, "content": text_of(number, RESULT)}]


async def ours(here: Place, model: LocalModel) -> float:
    """Milliseconds per turn of our agent; the last request must hold the whole conversation."""
    limits = {"turns": CALLS + 1, "tool_calls": CALLS, "tokens": 10**12}
    settings = {"context": {"window": WINDOW}}
    given = {
        "goal": "Read every page.",
        "agent": {"name": "reader", "tools": [TOOL], "settings": settings},
        "model": f"openai-chat:{MODEL}",
        "limits": limits,
        "policy": ALLOW_ALL,
    }
    begin = time.perf_counter()
    handle = await here.client.start_workflow("Agent", given, id=f"ours-{next(IDS)}", task_queue=here.task_queue)
    result = await handle.result()
    taken = (time.perf_counter() - begin) * 1000 / CALLS
    assert result["success"], result
    assert model.asked()[-1].size > CALLS * RESULT, "something left the conversation"
    return taken


async def main(rounds: int) -> bool:
    """Print the medians; says whether the bound holds."""
    pairs: list[tuple[float, float]] = []
    async with place(tool_modules="benchmarks.reading") as here:
        with local_model(CALLS, here.folder) as model:
            client = AsyncOpenAI(base_url=model.url, api_key="local-model-key", max_retries=0)
            async with here.worker(BENCH_BYTES=str(RESULT), **model.env), client:
                for number in range(1, rounds + 1):
                    pairs.append((await ours(here, model), await plain(client)))
                    agent, loop = pairs[-1]
                    print(f"  round {number}: {agent:.1f} and {loop:.1f} ms", file=sys.stderr, flush=True)
    mine, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"W({CALLS}, {RESULT:,} bytes) over HTTP, ms per turn, median of {rounds}:")
    print(f"Agent {mine:.1f}, plain asyncio loop with the SDK {theirs:.1f}, ratio {ratio:.2f} (<= {BOUND})")
    return ratio <= BOUND


if __name__ == "__main__":
    good = asyncio.run(main(1 if "--short" in sys.argv else ROUNDS))
    sys.stdout.flush()
    os._exit(0 if good or "--short" in sys.argv else 1)

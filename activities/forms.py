"""How a model is asked and understood in each mode of reasoning: native calls, text, a chain or a tree of thoughts."""

from collections.abc import Callable
from dataclasses import replace

from perdure.domain.contracts import Contracts
from perdure.domain.ports import Provider, ProviderReply, ProviderRequest
from perdure.domain.run import ModelRequest, Setup
from perdure.domain.thinking import THOUGHTS, chain_guide, conclusion, next_guide
from perdure.providers.react import reply_in_text

__all__ = ["ask", "misfit"]


async def ask(
    provider: Provider, call: ProviderRequest, request: ModelRequest, setup: Setup, progress: Callable[[str], None]
) -> ProviderReply:
    """One answer of the model, asked in the agent's mode of reasoning."""
    mode = setup.agent.reasoning
    if mode == "react":
        return await reply_in_text(provider, call, progress, closing=request.closing)
    if request.level:
        call = replace(_told(call, next_guide(request.level - 1)), tools=(), output_schema=THOUGHTS)
    elif mode == "cot" and not request.closing:
        # A native structured output would leave no room for thoughts: the schema is said in words.
        call = replace(_told(call, chain_guide(call.output_schema)), output_schema=None)
    return await provider.reply(call, progress)


def misfit(contracts: Contracts, reply: ProviderReply, request: ModelRequest, setup: Setup) -> str:
    """What of a final answer breaks the contract of the agent's role (empty: nothing, or it is no final answer)."""
    if not setup.role or request.closing or request.level or reply.message.calls or reply.stop != "end":
        return ""
    text, problem = reply.message.text, reply.malformed
    if setup.agent.reasoning == "cot":
        text, problem = conclusion(text)
    return "" if problem else contracts.get(setup.role).misfit(text)


def _told(call: ProviderRequest, what: str) -> ProviderRequest:
    return replace(call, instructions=f"{call.instructions}\n\n{what}".strip())

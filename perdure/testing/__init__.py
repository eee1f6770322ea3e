"""Test your own agents and tools offline: a real embedded server, a scripted model, and assertions on history.

async with agents() as env:
model = env.model([call("send_invoice", customer="Ada", cents=4200), "sent"])
await env.start("bill Ada", model=model)
(request,) = await env.pending()
await env.approve(request)
assert (await env.handle.result()).output == "sent"
assert (await env.history()).count("tools.call") == 1
"""

from perdure.testing.environment import ALLOW_ALL, Environment, agents, eventually
from perdure.testing.history import History
from perdure.testing.model import Call, ScriptedModel, call
from perdure.testing.servers import local_server, time_skipping_server

__all__ = [
    "ALLOW_ALL",
    "Call",
    "Environment",
    "History",
    "ScriptedModel",
    "agents",
    "call",
    "eventually",
    "local_server",
    "time_skipping_server",
]

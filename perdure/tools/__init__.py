"""Tools: how they are declared, found and run. `from perdure.tools import tool` is all a tool needs."""

from perdure.tools.context import CurrentCall, calling, current_call
from perdure.tools.declare import register, tool
from perdure.tools.discovery import load_modules
from perdure.tools.host import CallInfo, ToolHost
from perdure.tools.outcomes import NotHappened, OutcomeUnknown
from perdure.tools.registry import Registry, Tool, default_registry

__all__ = [
    "CallInfo",
    "CurrentCall",
    "NotHappened",
    "OutcomeUnknown",
    "Registry",
    "Tool",
    "ToolHost",
    "calling",
    "current_call",
    "default_registry",
    "load_modules",
    "register",
    "tool",
]

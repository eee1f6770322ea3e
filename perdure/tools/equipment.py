"""The tools of a worker, from its settings: built-in ones and those of the modules that are named."""

from perdure.settings import Settings
from perdure.storage import Storage
from perdure.tools import Registry, default_registry, load_modules
from perdure.tools.builtin import configure, register_builtins

__all__ = ["equipped"]


def equipped(settings: Settings, storage: Storage) -> Registry:
    """Fill the default registry; raises SettingsError for a workspace, and a PerdureError for a module, that is wrong.

    What this process does with files and large content from here on lies where the settings say.
    """
    configure(workspace=settings.open_workspace(), blobs=storage.blobs)
    register_builtins(default_registry)
    load_modules(settings.tool_modules, default_registry)
    return default_registry

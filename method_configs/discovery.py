"""How nerfstudio meets the plugin. It cannot fail: every command of nerfstudio loads it, and loads it unguarded."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def offered(module: str, name: str) -> Any:
    """What nerfstudio is to register, or None, said in a line, where it cannot be imported on this machine.

    Args:
        module: that holds it.
        name: of the specification there.
    """
    try:
        import_module("geneface_ns.plugin.compat").settle()
        return getattr(import_module(module), name)
    except Exception as error:  # another method's commands must go on, whatever is broken here
        print(
            f"warning: {name} is not available: {type(error).__name__}: {error} (`python -m {module}` says where)",
            file=sys.stderr,
        )
        return None

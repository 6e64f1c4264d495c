"""Modules of `tasks` that a test writes, changes and runs as stages."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.steps import code_digest


class Workshop:
    """Modules of `tasks` that can be rewritten, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, source: str) -> None:
        """Write a module, under its dotted name below `tasks`."""
        path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        importlib.invalidate_caches()
        code_digest.cache_clear()

    def function(self, module: str, name: str) -> Callable[..., Any]:
        """A function of a module as it now stands."""
        sys.modules.pop(f"tasks.{module}", None)
        made: Callable[..., Any] = getattr(importlib.import_module(f"tasks.{module}"), name)
        return made

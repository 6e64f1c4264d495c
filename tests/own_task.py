"""The example of a task of one's own, installed as pip would: a module and its entry point."""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from sys import modules
from typing import Any

import pytest

from tasks.task import known as known_tasks

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_task"


def write_package(folder: Path, module: str, source: str, entries: dict[str, str]) -> None:
    """Write a module and the metadata of a distribution with these entry points."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{known_tasks.GROUP}]", *lines]) + "\n")


def write_example(folder: Path) -> None:
    """The package of `examples/own_task`, with the entry point that its pyproject.toml names."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())
    (module,) = project["tool"]["setuptools"]["py-modules"]
    entries = project["project"]["entry-points"][known_tasks.GROUP]
    write_package(folder, module, (EXAMPLE / f"{module}.py").read_text(), entries)


@contextmanager
def installed(folder: Path, write: Callable[..., None], *written: Any) -> Iterator[Path]:
    """A folder on the path for a while, with what `write` puts there."""
    before = set(modules)
    folder.mkdir(exist_ok=True)
    write(folder, *written)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        forget()
        yield folder
    for name in set(modules) - before:
        if str(getattr(modules[name], "__file__", None)).startswith(str(folder)):
            del modules[name]
    forget()


def forget() -> None:
    """Have entry points looked up again."""
    invalidate_caches()
    known_tasks._installed.cache_clear()
    known_tasks.find_task.cache_clear()

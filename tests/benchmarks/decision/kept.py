"""Stages that are computed once, and from then on cost what they cost then."""

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from prefect import Task
from pydantic import TypeAdapter, ValidationError

from flows.steps import ByContent, Stages, code_digest, is_whole
from tasks.artifacts import content
from tasks.core import digest
from tasks.machine import runtime
from tasks.results.record import Stage

R = TypeVar("R")


@dataclass(frozen=True)
class Record:
    """A stage's value, the seconds in which it was computed, and the digest of the code then."""

    label: str
    seconds: float
    code: str
    value: Any


RECORD = TypeAdapter(Record)


class Kept(Stages):
    """Calls the functions behind steps, without Prefect, and keeps their values in a folder.

    A kept value stands in `done` as if it had been computed just now, with the seconds that it
    took then: so a race can be run again on what was measured, and spends what it would have spent.
    Values are found by a step's name and inputs, not by its code: what was measured stays a
    measurement; `earlier` names those that other code made. `computed` counts those made now,
    before the first of which `warm` is called: what it loads costs no stage anything.
    """

    def __init__(self, folder: Path, warm: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.folder, self.warm = folder, warm
        self.computed = 0
        self.earlier: set[str] = set()

    def __call__(self, label: str, step: Task[..., R], /, **inputs: Any) -> R:
        """Compute a step, or take its kept value if all it refers to is still there."""
        function, policy = inspect.unwrap(step.fn), step.cache_policy
        value: R
        if not isinstance(policy, ByContent):
            value = function(**inputs)
            return value
        bound = inspect.signature(function).bind(**inputs)
        bound.apply_defaults()
        given = {name: content(one) for name, one in bound.arguments.items() if not callable(one)}
        base = runtime() if policy.tensors else ""
        path = self.folder / f"{digest.of_json([step.name, given, base])}.json"
        adapter = TypeAdapter(get_type_hints(function)["return"])
        code = code_digest(function.__module__)
        record, value = _read(path, adapter)
        if record is None:
            self._warm()
            began = time.perf_counter()
            value = function(**inputs)
            seconds = time.perf_counter() - began
            made = adapter.dump_python(value, mode="json")
            record = Record(label=label, seconds=seconds, code=code, value=made)
            write(path, RECORD.dump_json(record))
            print(f"  {label}: {seconds:.1f} s", flush=True)
        if record.code != code:
            self.earlier.add(path.stem)
        self.done.append(Stage(name=label, seconds=record.seconds, reused=False))
        return value

    def _warm(self) -> None:
        if not self.computed:
            self.warm()
        self.computed += 1


def _read(path: Path, adapter: TypeAdapter[Any]) -> tuple[Record | None, Any]:
    """A record and its value, if it is there, can be read, and all it refers to is there, too."""
    try:
        record = RECORD.validate_json(path.read_bytes())
        value = adapter.validate_python(record.value)
    except (FileNotFoundError, ValidationError):
        return None, None
    return (record, value) if is_whole(value) else (None, None)


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)

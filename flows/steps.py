"""The one place where plain functions become Prefect tasks: cache policy, names, progress."""

import ast
import importlib.util
import inspect
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.results import get_result_store
from prefect.tasks import exponential_backoff
from pydantic import BaseModel

from tasks.artifacts import Blob, Index, content
from tasks.core import digest
from tasks.machine import runtime
from tasks.progress import reporter
from tasks.results.record import Stage
from tasks.retrieval import refresh
from tasks.retrieval.backend import WriteFailed
from tasks.store import exists
from tasks.task.known import own_modules

P = ParamSpec("P")
R = TypeVar("R")

BACKOFF = 10  # seconds before the first retry, twice as many before each further one
TRANSIENT = (ConnectionError, TimeoutError, WriteFailed)  # what another try may mend
PROGRESS_AFTER = 5.0  # seconds before a step is worth a progress artifact, and between updates


@dataclass
class ByContent(CachePolicy):
    """A result is reused if the inputs' content, the code behind it and the runtime are the same.

    Prefect's own INPUTS hashes paths and not what they hold, and TASK_SOURCE only a task's own
    lines: `code` covers every module of `tasks` that the function reaches, and the one of a task
    of somebody's own that the inputs name. `tensors` adds library versions, dtype and device.
    """

    name: str = ""
    module: str = ""
    tensors: bool = False

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **_: Any,
    ) -> str | None:
        """The key of one call; equal in every run, process and machine with equal content."""
        return self.key(inputs)

    def key(self, inputs: dict[str, Any]) -> str:
        """The key for these inputs; functions among them are edges, covered by the code."""
        data = {name: content(value) for name, value in inputs.items() if not callable(value)}
        base = runtime() if self.tensors else ""
        named = set(_strings(data))
        own = [code_digest(module) for name, module in own_modules().items() if name in named]
        return f"{self.name}-{digest.of_json([data, code_digest(self.module), base, *own])}"


def _strings(value: Any) -> Iterator[str]:
    """Every text in JSON that is no key."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for held in value.values() if isinstance(value, dict) else value:
            yield from _strings(held)


@cache
def code_digest(module: str) -> str:
    """Digest of the source of a module and of all that it imports, at any depth.

    Followed are imports from `tasks`, and from the module's own top-level package.
    """
    sources: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        spec = importlib.util.find_spec(name)
        if name in sources or spec is None or spec.origin is None:
            continue
        sources[name] = Path(spec.origin).read_text(encoding="utf-8")
        package = spec.parent or ""
        waiting += _imports(sources[name], package, {"tasks", module.split(".")[0]})
    return digest.of_json(sources)


def _imports(source: str, package: str, roots: Collection[str]) -> Iterator[str]:
    """Modules of these top-level packages that a source in a package imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            module = importlib.util.resolve_name(f"{dots}{node.module or ''}", package or None)
            if module.split(".")[0] not in roots:
                continue
            yield module
            for alias in node.names:
                if importlib.util.find_spec(module).submodule_search_locations:  # type: ignore[union-attr]
                    yield f"{module}.{alias.name}"
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] in roots)


def step(
    function: Callable[P, R],
    name: str,
    *,
    cached: bool = True,
    tensors: bool = False,
    retries: int = 0,
) -> Task[P, R]:
    """A plain function as a task; a cached one returns JSON that later runs take up again.

    Retried, with growing pauses, is only what is `TRANSIENT`: bad input stays bad.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with _progress_in_prefect():
            return function(*args, **kwargs)

    policy = ByContent(name=name, module=function.__module__, tensors=tensors)
    return task(
        name=name,
        cache_policy=policy if cached else NO_CACHE,
        persist_result=cached,
        result_serializer="json",
        retries=retries,
        retry_delay_seconds=exponential_backoff(BACKOFF),
        retry_condition_fn=_transient,
    )(run)


def _transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.data, TRANSIENT)


class Stages:
    """Calls steps and notes of each what it took and whether its value was reused."""

    def __init__(self) -> None:
        self.done: list[Stage] = []

    def __call__(self, label: str, step: Task[..., R], /, **inputs: Any) -> R:
        """Run a step, or take its cached value if all it refers to is still there."""
        began = time.perf_counter()
        named = step.with_options(task_run_name=label, refresh_cache=_lost(step, inputs))
        state = named(**inputs, return_state=True)
        value: R = state.result()
        reused = state.name == "Cached"
        seconds = time.perf_counter() - began
        self.done.append(Stage(name=label, seconds=seconds, reused=reused))
        logger = get_run_logger()
        logger.info("%s: %s", label, "reused" if reused else f"{seconds:.1f} s")
        return value


def _lost(step: Task[..., Any], inputs: dict[str, Any]) -> bool:
    """Whether a cached value refers to a blob that is gone or an index that was moved on."""
    policy = step.cache_policy
    if not isinstance(policy, ByContent):
        return False
    bound = inspect.signature(step.fn).bind(**inputs)
    bound.apply_defaults()  # as Prefect does before it asks for the key
    # A flow's own store looks for keys in a place of its own, where there are none.
    store = get_result_store().model_copy(update={"metadata_storage": None})
    key = policy.key(dict(bound.arguments))
    if not store.exists(key):
        return False
    return not is_whole(store.read(key).result)


def is_whole(value: object) -> bool:
    """Whether all that a value refers to is there: its blobs, an index that is the present one."""
    return all(_is_there(one) for one in _kept(value))


def _is_there(one: Blob | Index) -> bool:
    return exists(one) if isinstance(one, Blob) else refresh.is_current(one)


def _kept(value: object) -> Iterator[Blob | Index]:
    """What a value refers to that is kept elsewhere."""
    if isinstance(value, Blob | Index):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _kept(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _kept(item)


@contextmanager
def _progress_in_prefect() -> Iterator[None]:
    """Report long steps as Prefect progress artifacts, beside whoever listens already."""
    listening = reporter.get()
    began: dict[str, float] = {}
    updated: dict[str, float] = {}
    artifacts: dict[str, Any] = {}

    def report(step: str, done: int, total: int) -> None:
        listening(step, done, total)
        now = time.monotonic()
        began.setdefault(step, now)
        if now - max(began[step], updated.get(step, 0.0)) < PROGRESS_AFTER and done < total:
            return
        share = 100.0 * done / max(total, 1)
        left = (now - began[step]) * (total - done) / max(done, 1)
        text = f"{step}: {done} of {total}, about {left:.0f} s left"
        if step in artifacts:
            update_progress_artifact(artifacts[step], progress=share, description=text)
        elif done < total:
            artifacts[step] = create_progress_artifact(progress=share, description=text)
        updated[step] = now

    token = reporter.set(report)
    try:
        yield
    finally:
        reporter.reset(token)

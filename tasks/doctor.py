"""What this machine has, against what the program and a run file need; each with its remedy."""

import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tasks.artifacts import ModelRef, Value
from tasks.core.errors import InputError
from tasks.models.endpoint import address
from tasks.models.references import (
    resolve,
    runs_already,
    split_reference,
    weights_folder,
    weights_here,
)
from tasks.planning.memory import memory_needs
from tasks.planning.plan import check_task
from tasks.run import RunFile
from tasks.services import services
from tasks.task.known import find_task

Status = Literal["ok", "warn", "fail"]
PROJECT = "tune-or-retrieve"
MAIN = (
    "prefect", "mlflow", "torch", "transformers", "peft", "trl", "datasets",
    "sentence-transformers", "lancedb", "fastapi",
)  # fmt: skip
GIB = 1024**3
TIMEOUT = 3.0  # seconds for each address; a doctor that hangs helps nobody
ADVISED = "Its verdict will be advised, not measured."
REINSTALL = "Run `make install`."
WORKING_GIB = 1.0  # index, answers, adapters and MLflow's database of a run of a few thousand


class Check(Value):
    """One thing looked at: what was found and, unless all is well, how to mend it."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def examine(run: RunFile | None, folder: Path) -> tuple[Check, ...]:
    """Look at everything; `folder` is the run file's, which its data paths are relative to."""
    checks = [python_version(), *map(library, _requirements()), device()]
    checks += [prefect_api(os.environ.get("PREFECT_API_URL")), tracking(), vectors(), hub()]
    if run is None:
        return (*checks, disk(WORKING_GIB))
    models = tuple(resolve(spec) for spec in run.models if not runs_already(spec.ref))
    runs = [spec.ref for spec in run.models if runs_already(spec.ref)]
    needed = WORKING_GIB + sum(weight_gib(model) for model in models)
    checks += [*data_there(run, folder), *(model_here(model, run) for model in models)]
    checks += map(running, runs)
    return (*checks, disk(needed))


def python_version(running: str = platform.python_version()) -> Check:
    """Whether Python's version is one that the project allows."""
    allowed = SpecifierSet(metadata.metadata(PROJECT)["Requires-Python"])
    if running in allowed:
        return Check(name="python", status="ok", found=running)
    remedy = "Remove .venv and name another: `make install PYTHON=python3.12`."
    return Check(name="python", status="fail", found=f"{running}, allowed {allowed}", remedy=remedy)


def _requirements() -> list[Requirement]:
    every = [Requirement(text) for text in metadata.requires(PROJECT) or []]
    return [need for need in every if need.name in MAIN and need.marker is None]


def library(need: Requirement) -> Check:
    """Whether a library is installed in a version within the allowed range."""
    try:
        version = metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return Check(name=need.name, status="fail", found="not installed", remedy=REINSTALL)
    if need.specifier.contains(version, prereleases=True):
        return Check(name=need.name, status="ok", found=version)
    found = f"{version}, allowed {need.specifier}"
    return Check(name=need.name, status="fail", found=found, remedy=REINSTALL)


def device() -> Check:
    """Which device and dtype models run in; fp32 works, but takes several times as long."""
    from tasks.machine import device_and_dtype, dtype_name, memory_gib

    kind, name = device_and_dtype()[0], dtype_name()
    found = f"{kind}, {name}, {memory_gib():.1f} GiB of memory, {os.cpu_count()} cores"
    if name == "bfloat16":
        return Check(name="device", status="ok", found=found)
    remedy = "No bf16 hardware: expect several times the duration; `--path` leaves paths out."
    return Check(name="device", status="warn", found=found, remedy=remedy)


def answers(url: str) -> str | None:
    """Why an address does not answer within `TIMEOUT` seconds; None if it does."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"answered {error.code}"
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def prefect_api(url: str | None, ask: Callable[[str], str | None] = answers) -> Check:
    """Whether the named Prefect server answers; without one, each run brings its own."""
    if not url:
        return Check(name="prefect", status="ok", found="no PREFECT_API_URL: an ephemeral server")
    remedy = "Start it with `prefect server start`, or unset PREFECT_API_URL."
    return _reached("prefect", url, ask(f"{url.rstrip('/')}/health"), remedy)


def tracking(ask: Callable[[str], str | None] = answers) -> Check:
    """Whether the named MLflow server answers; without one, an SQLite file serves."""
    uri = services().tracking_uri
    if not uri.startswith(("http://", "https://")):
        return Check(name="mlflow", status="ok", found=uri)
    remedy = "Start it, or unset MLFLOW_TRACKING_URI to use an SQLite file."
    return _reached("mlflow", uri, ask(f"{uri.rstrip('/')}/health"), remedy)


def vectors() -> Check:
    """Whether the named Weaviate server answers, with this key, in a version that is recent enough.

    Without one, indexes are LanceDB's, in files.
    """
    if not services().weaviate_url:
        return Check(name="weaviate", status="ok", found="no WEAVIATE_URL: indexes are files")
    from tasks.retrieval.weaviate_client import connect_weaviate

    try:
        version = connect_weaviate(patience=0).get_meta()["version"]
    except InputError as fault:
        found = f"{fault.where}: found {fault.value}; allowed: {fault.allowed}"
        return Check(name="weaviate", status="fail", found=found, remedy=fault.remedy)
    found = f"{services().weaviate_url} answers, version {version}"
    return Check(name="weaviate", status="ok", found=found)


def hub(ask: Callable[[str], str | None] = answers) -> Check:
    """Whether models can be fetched; those that ship as packages or folders need no hub."""
    if services().offline:
        return Check(name="hub", status="ok", found="switched off (HF_HUB_OFFLINE)")
    url = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    remedy = "Only `hf:` models need it; HF_HUB_OFFLINE=1 says not to try."
    return _reached("hub", url, ask(url), remedy, missing="warn")


def _reached(
    name: str, url: str, fault: str | None, remedy: str, missing: Status = "fail"
) -> Check:
    if fault is None:
        return Check(name=name, status="ok", found=f"{url} answers")
    found = f"{url} does not answer: {fault}"
    return Check(name=name, status=missing, found=found, remedy=remedy)


def disk(needed: float) -> Check:
    """Whether the disk under ADAPT_HOME has the GiB that a run writes there."""
    home = services().home.resolve()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free / GIB
    found = f"{free:.1f} GiB free at {there}, about {needed:.1f} GiB needed"
    if not os.access(there, os.W_OK):
        remedy = "Point ADAPT_HOME at a folder that you may write to."
        return Check(name="disk", status="fail", found=f"{there} is read-only", remedy=remedy)
    if free >= needed:
        return Check(name="disk", status="ok", found=found)
    remedy = "Free some space, or point ADAPT_HOME at another disk."
    return Check(name="disk", status="fail", found=found, remedy=remedy)


def data_there(run: RunFile, folder: Path) -> Iterable[Check]:
    """Whether the files that a run file names are there."""
    named = {key: str(getattr(run.data, key)) for key in find_task(run.task).data}
    for key in ("glossary", "json_schema"):
        if (path := getattr(run.data, key)) is not None:
            named[key.replace("_", " ")] = path
    if run.general is not None:
        named |= {"general items": run.general.items, "general text": run.general.text}
    for name, path in named.items():
        remedy = f"Mend the path in the run file; it is relative to {folder}."
        if (folder / path).exists():
            yield Check(name=name, status="ok", found=path)
        else:
            yield Check(name=name, status="fail", found=f"no {folder / path}", remedy=remedy)


def weight_gib(model: ModelRef) -> float:
    """Disk that a model's weights take here, GiB at two bytes a parameter.

    That is a download for `hf:`, and a converted copy for a package; a local folder is read
    where it is, and a hosted or unknown model takes nothing.
    """
    scheme = split_reference(model.ref)[0]
    return 2 * (model.params or 0) / GIB if scheme in ("hf", "package") else 0.0


def model_here(model: ModelRef, run: RunFile) -> Check:
    """Whether a model can be measured here; one that can't is advised on, which is no fault."""
    name = f"model {model.ref}"
    scheme = split_reference(model.ref)[0]
    try:
        missing = weights_here(model)
        if scheme == "openai" and not missing:
            return Check(name=name, status="ok", found=f"a key is set for {address()}")
        if scheme in ("package", "path"):
            weights_folder(model.ref)
        check_task(run, model)
    except InputError as fault:
        found = f"{fault.value}; allowed: {fault.allowed}"
        return Check(name=name, status="fail", found=found, remedy=fault.remedy)
    if missing:
        return Check(name=name, status="warn", found=missing, remedy=ADVISED)
    return _fits(name, model, run)


def running(ref: str) -> Check:
    """Whether a system that is said to run already is registered."""
    from tasks.results.running import registered

    try:
        found = registered(ref)
    except InputError as fault:
        allowed = f"{fault.value}; allowed: {fault.allowed}"
        return Check(name=f"model {ref}", status="fail", found=allowed, remedy=fault.remedy)
    return Check(name=f"model {ref}", status="ok", found=f"version {found.version}")


def _fits(name: str, model: ModelRef, run: RunFile) -> Check:
    from tasks.machine import dtype_name, memory_gib

    there = run.limits.memory_gib or memory_gib()
    width = 2 if dtype_name() == "bfloat16" else 4
    # One prompt at a time: a batch that is too large is halved until it fits.
    one = (1, run.training.max_tokens)
    answering, training = memory_needs(
        run, model, answering=one, training=one, bytes_per_param=width
    )
    if answering is None or training is None:
        remedy = "Give `params` in the run file, so that memory can be estimated."
        return Check(name=name, status="warn", found="number of parameters unknown", remedy=remedy)
    found = f"{answering:.1f} GiB to answer, {training:.1f} GiB to tune, {there:.1f} GiB there"
    if training <= there:
        return Check(name=name, status="ok", found=found)
    if answering <= there:
        remedy = "Only untuned paths can be measured; tuning needs a larger machine."
        return Check(name=name, status="warn", found=found, remedy=remedy)
    return Check(name=name, status="warn", found=found, remedy=ADVISED)

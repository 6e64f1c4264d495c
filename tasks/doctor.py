"""What this machine has, against what the program and a run file need; each with its remedy."""

import os
import platform
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tasks.core.errors import InputError
from tasks.planning.checkup import Check, Status, examine_run
from tasks.run import RunFile
from tasks.services import services

PROJECT = "tune-or-retrieve"
MAIN = (
    "prefect", "mlflow", "torch", "transformers", "peft", "trl", "datasets",
    "sentence-transformers", "lancedb", "fastapi",
)  # fmt: skip
GIB = 1024**3
TIMEOUT = 3.0  # seconds for each address; a doctor that hangs helps nobody
REINSTALL = "Run `make install`."
WORKING_GIB = 1.0  # index, answers, adapters and MLflow's database of a run of a few thousand


def examine(run: RunFile | None, folder: Path) -> tuple[Check, ...]:
    """Look at everything; `folder` is the run file's, which its data paths are relative to."""
    checks = [python_version(), *map(library, _requirements()), device()]
    checks += [prefect_api(os.environ.get("PREFECT_API_URL")), tracking(), vectors(), hub()]
    if run is None:
        return (*checks, disk(WORKING_GIB))
    of_run, weights = examine_run(run, folder)
    return (*checks, *of_run, disk(WORKING_GIB + weights))


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

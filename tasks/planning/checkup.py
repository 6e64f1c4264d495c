"""What a run file needs, looked at one thing after the other, and each with its remedy."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tasks.artifacts import ExampleSet, ModelRef, Value
from tasks.core.errors import InputError
from tasks.models.endpoint import address
from tasks.models.here import fetch_config
from tasks.models.references import resolve, runs_already, split_reference
from tasks.planning.memory import memory_needs, memory_there, most
from tasks.planning.plan import check_task
from tasks.planning.ready import make_ready, read_data
from tasks.planning.weights import obstacle
from tasks.run import RunFile
from tasks.task.known import find_task

Status = Literal["ok", "warn", "fail"]
ADVISED = "Its verdict will be advised, not measured."
GIB = 1024**3


class Check(Value):
    """One thing looked at: what was found and, unless all is well, how to mend it."""

    name: str
    status: Status
    found: str
    remedy: str = ""


def examine_run(run: RunFile, folder: Path) -> tuple[tuple[Check, ...], float]:
    """Data, models and plan of a run, and the GiB of disk that its models' weights take.

    The plan is made where all else is well; it is that of `adapt run --plan`, with its refusals.
    """
    base = [spec for spec in run.models if not runs_already(spec.ref)]
    for spec in base:
        fetch_config(spec.ref)
    models, examples = [resolve(spec) for spec in base], _examples(run, folder)
    checks = [*data_there(run, folder), *(model_here(model, run, examples) for model in models)]
    checks += [running(spec.ref) for spec in run.models if runs_already(spec.ref)]
    if all(check.status != "fail" for check in checks):
        checks.append(plan(run, folder))
    return tuple(checks), sum(map(weight_gib, models))


def _examples(run: RunFile, folder: Path) -> ExampleSet | None:
    """The examples that prompts may show, if they can be read; why not is told with the plan."""
    if run.data.examples is None:  # passages of documents are: they need not be read for this
        return None
    try:
        return read_data(run, folder)[1]
    except InputError:
        return None


def data_there(run: RunFile, folder: Path) -> Iterable[Check]:
    """Whether the files that a run file names are there."""
    named = {key: str(getattr(run.data, key)) for key in find_task(run.task).data}
    for key in ("glossary", "json_schema"):
        if (path := getattr(run.data, key)) is not None:
            named[key.replace("_", " ")] = path
    if run.general is not None:
        named |= {"general items": run.general.items, "general text": run.general.text}
    if run.changes is not None:
        named |= {"changed documents": run.changes.documents}
        named |= {"questions about them": run.changes.questions}
    if run.judge is not None and run.judge.labels is not None:
        named["labels of the judge"] = run.judge.labels
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


def model_here(model: ModelRef, run: RunFile, examples: ExampleSet | None = None) -> Check:
    """Whether a model can be measured here; one that can't is advised on, which is no fault."""
    name, needs = f"model {model.ref}", memory_needs(run, model, examples)
    there = memory_there(run)
    try:
        check_task(run, model)
        missing = obstacle(model, needs, there)
    except InputError as fault:
        found = f"{fault.value}; allowed: {fault.allowed}"
        return Check(name=name, status="fail", found=found, remedy=fault.remedy)
    if missing:
        return Check(name=name, status="warn", found=missing, remedy=ADVISED)
    if not model.open_weights:
        return Check(name=name, status="ok", found=f"a key is set for {address()}")
    answering = most(one.answer_gib for one in needs)
    training = most(one.train_gib for one in needs)
    if answering is None or training is None:
        remedy = "Give `params` in the run file, so that memory can be estimated."
        return Check(name=name, status="warn", found="number of parameters unknown", remedy=remedy)
    found = (
        f"{answering:.3g} GiB to answer {run.answering.batch_size} prompts at once, "
        f"{training:.3g} GiB to tune on {run.training.batch_size}, by estimate; {there:.1f} GiB "
        "there"
    )
    over = [one.path for one in needs if max(one.answer_gib, one.train_gib or 0) > there]
    if not over:
        return Check(name=name, status="ok", found=found)
    remedy = f"Not measured here: {', '.join(over)}. They need a larger machine or smaller batches."
    return Check(name=name, status="warn", found=found, remedy=remedy)


def running(ref: str) -> Check:
    """Whether a system that is said to run already is registered."""
    from tasks.results.running import registered

    try:
        found = registered(ref)
    except InputError as fault:
        allowed = f"{fault.value}; allowed: {fault.allowed}"
        return Check(name=f"model {ref}", status="fail", found=allowed, remedy=fault.remedy)
    return Check(name=f"model {ref}", status="ok", found=f"version {found.version}")


def plan(run: RunFile, folder: Path) -> Check:
    """Whether a run could start: what `adapt run` and its `--plan` read and refuse."""
    try:
        planned = make_ready(run, folder).plan.models
    except InputError as fault:
        found = f"{fault.where}: {fault.value}; allowed: {fault.allowed}"
        return Check(name="plan", status="fail", found=found, remedy=fault.remedy)
    found = ", ".join(f"{len(one.paths)} paths of {one.model.ref}" for one in planned if one.paths)
    if not found:
        return Check(name="plan", status="warn", found="nothing can be measured", remedy=ADVISED)
    return Check(name="plan", status="ok", found=f"{found} will be measured")

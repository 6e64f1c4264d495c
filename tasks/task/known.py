"""The tasks there are, by the name that a run file gives: built in, or found by entry point.

A package adds its own with an entry point of the group `tune_or_retrieve.tasks` that leads to a
`Task` value; the entry point's name is the task's. It is imported when a run file first names it.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from tasks.core.errors import InputError
from tasks.data.reading import nearest
from tasks.task import Task
from tasks.task.classification import CLASSIFICATION
from tasks.task.question_answering import QUESTION_ANSWERING
from tasks.task.texts import GENERATION, SUMMARISATION, TRANSLATION

GROUP = "tune_or_retrieve.tasks"
BUILT_IN: dict[str, Task] = {
    task.name: task
    for task in (QUESTION_ANSWERING, CLASSIFICATION, SUMMARISATION, TRANSLATION, GENERATION)
}
DATA = (("documents", "questions"), ("examples",))


@cache
def _installed() -> dict[str, EntryPoint]:
    """The entry points that are installed, by name; a built-in task's name is not to be had."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value or entry.name in BUILT_IN:
            taken = "tune-or-retrieve itself" if entry.name in BUILT_IN else other.value
            raise InputError(
                f"entry point {GROUP}", f"{entry.name} = {entry.value}",
                f"a name that {taken} does not have", "Rename the task, or uninstall one of them.",
            )  # fmt: skip
    return found


def own_modules() -> dict[str, str]:
    """The module of each task that is installed beside the built-in ones, by the task's name."""
    return {name: entry.module for name, entry in _installed().items()}


def task_names() -> tuple[str, ...]:
    """Every name that a run file may give."""
    return (*BUILT_IN, *_installed())


@cache
def find_task(name: str, where: str = "task") -> Task:
    """A task by its name; `where` is told if there is none.

    Raises:
        InputError: no task has the name, or what its entry point leads to is no task.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    entry = _installed().get(name)
    if entry is None:
        remedy = f"Change this value. {nearest(name, task_names())}".strip()
        raise InputError(where, name, ", ".join(task_names()), remedy)
    try:
        task = entry.load()
    except Exception as error:  # whatever somebody's module does when it is imported
        raise InputError(
            f"entry point {GROUP}: {name}", f"{entry.value}: {type(error).__name__}: {error}",
            "a module that can be imported, with a Task value in it", "Mend it.",
        ) from error  # fmt: skip
    return _checked(task, entry)


def _checked(task: object, entry: EntryPoint) -> Task:
    """What an entry point leads to, unless it is no task or one that no run could use."""
    where = f"entry point {GROUP}: {entry.name}"
    if not isinstance(task, Task):
        raise InputError(where, f"{entry.value}: {type(task).__name__}", "a Task", "Mend it.")
    faults = {
        f"name {task.name!r}": (task.name == entry.name, f"{entry.name!r}, as the entry point's"),
        f"data {task.data!r}": (task.data in DATA, " or ".join(map(str, DATA))),
        f"deciding {task.deciding!r}": (
            bool(task.deciding) and set(task.deciding) <= set(task.metrics),
            f"some of the metrics: {', '.join(task.metrics)}",
        ),
        "no wording": (bool(task.untuned) and bool(task.tuned), "a wording untuned and one tuned"),
    }
    for found, (right, allowed) in faults.items():
        if not right:
            raise InputError(where, found, allowed, f"Mend {entry.value}.")
    return task

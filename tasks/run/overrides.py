"""Which option of the command line a fault is to be blamed on, where one brought the value."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tasks.core.errors import InputError

NAMES = {  # options that are not called as the key that they change
    "decision.paths": "--path",
    "budget.seconds": "--budget-seconds",
    "budget.energy_kwh": "--budget-kwh",
    "budget.money": "--budget-money",
}


@contextmanager
def blaming(changes: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Blame faults in keys that these changes brought on their options, and not on the file."""
    try:
        yield
    except InputError as fault:
        found = fault.where.rpartition(": ")[2]
        for name in (f"{table}.{key}" for table, keys in changes.items() for key in keys):
            if found == name or found.startswith(f"{name}."):
                option = NAMES.get(name, "--" + name.partition(".")[2].replace("_", "-"))
                where = f"{option} ({name})"
                raise InputError(where, fault.value, fault.allowed, fault.remedy) from fault
        raise

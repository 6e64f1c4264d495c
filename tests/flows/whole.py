"""Whole runs in a home folder of their own, as the tests of a module share them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tasks.results.outcome import Outcome
from tasks.services import services


class WholeRun(NamedTuple):
    """A run that came to its end, and where it wrote what it found."""

    runfile: Path
    output: Path
    outcome: Outcome


@contextmanager
def at_home(folder: Path) -> Iterator[None]:
    """`ADAPT_HOME` is in this folder until the block ends; no key and no server is named."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ADAPT_HOME", str(folder / "home"))
        environment.delenv("MLFLOW_TRACKING_URI", raising=False)
        environment.delenv("OPENAI_API_KEY", raising=False)
        services.cache_clear()
        yield
    services.cache_clear()


def run_whole(runfile: Path) -> WholeRun:
    """Run the flow; it writes to `output` beside the run file."""
    from flows.adapt import adapt

    output = runfile.parent / "output"
    return WholeRun(runfile, output, adapt(str(runfile), str(output)))

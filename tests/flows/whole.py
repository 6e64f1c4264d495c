"""Whole runs in a home folder of their own, as the tests of a module share them."""

from collections.abc import Iterator, Mapping
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


@contextmanager
def whole_run(folder: Path, run_file: str) -> Iterator[WholeRun]:
    """Run what a run file says, from this folder; its home stays in place until the block ends."""
    from flows.adapt import adapt

    runfile, output = folder / "run.toml", folder / "output"
    runfile.write_text(run_file)
    with at_home(folder):
        yield WholeRun(runfile, output, adapt(str(runfile), str(output)))


def labelled_rows(words: Mapping[str, str]) -> list[dict[str, str]]:
    """90 texts whose labels take turns; each holds the words of its label."""
    labels = (*words,) * (90 // len(words))
    return [
        {"text": f"{n} {n * 7919} {words[label]} {n * 31}", "label": label}
        for n, label in enumerate(labels)
    ]

"""`adapt index …`: the index alone; and what its commands share with those of `flows.cli`."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130  # as shells say it: 128 + SIGINT

RunFilePath = Annotated[Path, typer.Argument(metavar="RUNFILE", help="The run file (TOML).")]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")
]

index = typer.Typer(name="index", help="The index alone: build, list, roll back.")


@index.command("build")
def build_index(runfile: RunFilePath, as_json: AsJson = False) -> None:
    """Build the index alone, choosing its settings where the run file lists some to try."""
    follow("build_index", runfile, as_json)


@index.command("list")
def list_versions(
    given: Annotated[str, typer.Argument(metavar="RUNFILE|NAME", help="Whose index.")],
    backend: Annotated[
        str, typer.Option(help="With NAME: lancedb or weaviate; a run file says it itself.")
    ] = "lancedb",
    as_json: AsJson = False,
) -> None:
    """List the versions of an index: age, size, digest, and the registered versions using each."""
    from flows.console_index import print_versions
    from tasks.run.reading import read_run

    if given.endswith(".toml") or Path(given).is_file():
        spec = read_run(Path(given))
        given, backend = spec.name, spec.index.backend
    with redirect_stdout(sys.stderr):
        from tasks.retrieval.refresh import listed
        from tasks.retrieval.users import index_users

        versions, users = listed(given, backend), index_users()
    print_versions(given, backend, versions, users, as_json)


@index.command("rollback")
def rollback_index(runfile: RunFilePath, as_json: AsJson = False) -> None:
    """Point the index's name at its version before, until the next refresh or run."""
    from flows.console_index import print_rollback
    from tasks.run.reading import read_run

    spec = read_run(runfile)
    with redirect_stdout(sys.stderr):
        from tasks.retrieval.index import rollback
        from tasks.retrieval.refresh import current

        before = current(spec.name, spec.index.backend)
        now = rollback(spec.name, spec.index.backend)
    print_rollback(before, now, as_json)


def follow(module: str, runfile: Path, as_json: bool) -> None:
    """Run one of the flows that follow the sources; it stands in the module of its name."""
    from flows.console import err
    from flows.console_index import print_build
    from flows.terminal import interruptible, reporting
    from tasks.run.reading import read_run

    read_run(runfile)  # a faulty file shows before anything is started
    with interruptible(INTERRUPTED), redirect_stdout(sys.stderr), reporting(err()):
        flow = getattr(import_module(f"flows.{module}"), module)
        build = flow(str(runfile))
    print_build(build, as_json)

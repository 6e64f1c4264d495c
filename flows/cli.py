"""The command line: `adapt run`, `adapt ask`, `adapt doctor`, `adapt init`.

Exit codes: 0 done; 2 the run file, the data or the command is at fault; 130 interrupted; 1
anything else. What is heavy is imported inside the commands, so that `--help` is at once there.
"""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tasks.core.errors import InputError

if TYPE_CHECKING:
    from tasks.artifacts import PathName

# Read by Prefect, MLflow and tokenizers when they are imported, which is after this module.
DEFAULTS = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Failures are told once, by `main`; the run's page in Prefect has the whole log.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",  # the bar of a conversion; ours and those of downloads are others
}
INTERRUPTED = 130  # as shells say it: 128 + SIGINT

app = typer.Typer(
    name="adapt",
    help="Fine-tune, retrieve, both, or just prompt? Answered by measurement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunFilePath = Annotated[Path, typer.Argument(metavar="RUNFILE", help="The run file (TOML).")]
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")
]


def main() -> None:
    """Entry point of `adapt`: the one place where bad input is caught and explained."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        app()
    except InputError as fault:
        from flows.console import err, print_fault

        print_fault(fault, err())
        sys.exit(2)


@app.command()
def run(
    runfile: RunFilePath,
    output: Annotated[
        Path | None, typer.Option(help="Where results go; default runs/<name>/<time>.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Only this base model; may be repeated.")
    ] = None,
    path: Annotated[list[str] | None, typer.Option(help="Only this path; may be repeated.")] = None,
    min_gain: Annotated[
        float | None, typer.Option(help="By how much a costlier path must be better.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build the paths, measure them on the same questions, decide, register the winner."""
    from flows.console import err, print_outcome
    from flows.terminal import interruptible, reporting
    from tasks.publish import output_folder, read_scorecards
    from tasks.run import Overrides, read_run

    paths = cast("list[PathName] | None", path)
    chosen = Overrides(model, paths, min_gain)
    spec = read_run(runfile, chosen)  # a faulty option shows before anything is started
    folder = output_folder(spec.name, output)
    with interruptible(INTERRUPTED), redirect_stdout(sys.stderr), reporting(err()):
        from flows.adapt import adapt

        outcome = adapt(str(runfile), str(folder), model, paths, min_gain)
    print_outcome(outcome, read_scorecards(folder), folder, as_json)


@app.command()
def ask(
    name: Annotated[str, typer.Argument(help="A registered model: the run's name.")],
    question: Annotated[str, typer.Argument(help="The question, quoted.")],
    alias: Annotated[str, typer.Option(help="Which version: champion or challenger.")] = "champion",
    as_json: AsJson = False,
) -> None:
    """Ask a registered system; prints its answer and the sources it was given."""
    from flows.console import print_json, print_reply

    with redirect_stdout(sys.stderr):
        from tasks.ask import ask_registered

        reply = ask_registered(name, question, alias)
    if as_json:
        print_json(reply.model_dump(mode="json"))
    else:
        print_reply(reply)


@app.command()
def doctor(
    runfile: Annotated[
        Path | None, typer.Argument(metavar="[RUNFILE]", help="What a run needs, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what is installed, reachable and large enough, each with the way to mend it."""
    from flows.console import print_checks, print_json
    from tasks.doctor import examine
    from tasks.run import read_run

    with redirect_stdout(sys.stderr):
        wanted = read_run(runfile) if runfile else None
        checks = examine(wanted, runfile.parent if runfile else Path())
    if as_json:
        print_json({"checks": [check.model_dump(mode="json") for check in checks]})
    else:
        print_checks(checks)
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the run file goes.")],
    documents: Annotated[
        Path, typer.Option(help="Folder of .md and .txt, or a .jsonl or .csv file.")
    ],
    questions: Annotated[Path, typer.Option(help="Questions with answers, .jsonl or .csv.")],
    name: Annotated[str | None, typer.Option(help="The run's name; default: DIR's.")] = None,
) -> None:
    """Write a commented run file for your own documents and questions."""
    from flows.console import print_written
    from tasks.scaffold import scaffold

    print_written(scaffold(folder, documents, questions, name))


if __name__ == "__main__":
    main()

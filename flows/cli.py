"""The command line: `adapt run`, `decide`, `explain`, `advise`, `ask`, `refresh`, `index`, ….

Exit codes: 0 done; 2 the run file, the data or the command is at fault; 130 interrupted; 1
anything else. What is heavy is imported inside the commands, so that `--help` is at once there.
"""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from flows.cli_decision import decide, explain, show_plan
from flows.cli_index import INTERRUPTED, AsJson, RunFilePath, follow, index
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

app = typer.Typer(
    name="adapt",
    help="Fine-tune, retrieve, both, or just prompt? Answered by measurement.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(index, no_args_is_help=True)
app.command()(decide)
app.command()(explain)


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
    budget_seconds: Annotated[
        float | None, typer.Option(help="What measuring may take: the paths race for it.")
    ] = None,
    budget_kwh: Annotated[
        float | None, typer.Option(help="The same in energy of training and answering.")
    ] = None,
    budget_money: Annotated[
        float | None, typer.Option(help="The same in money for hosted models.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only tell what would be tried, skipped and shown.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Build the paths, measure them on the same questions, decide, register the winner."""
    from flows.console import err
    from flows.console_outcome import print_outcome
    from flows.terminal import interruptible, reporting
    from tasks.results.publish import output_folder, read_scorecards
    from tasks.run import Budget
    from tasks.run.reading import Overrides, read_run

    paths = cast("list[PathName] | None", path)
    given = {"seconds": budget_seconds, "energy_kwh": budget_kwh, "money": budget_money}
    limited = {unit: most for unit, most in given.items() if most is not None}
    chosen = Overrides(model, paths, min_gain, None, limited)
    spec = read_run(runfile, chosen)  # a faulty option shows before anything is started
    if plan:
        show_plan(spec, runfile.parent, as_json)
        return
    folder = output_folder(spec.name, output)
    with interruptible(INTERRUPTED), redirect_stdout(sys.stderr), reporting(err()):
        from flows.adapt import adapt

        budget = Budget(**limited) if limited else None
        outcome = adapt(str(runfile), str(folder), model, paths, min_gain, None, budget)
    print_outcome(outcome, read_scorecards(folder), folder, as_json, spec.noun)


@app.command()
def advise(
    model: Annotated[
        str | None, typer.Option(help="hf:…, path:…, package:… or openai:…; tells size, weights.")
    ] = None,
    params: Annotated[float | None, typer.Option(help="Parameters, e.g. 7e9.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="open, hosted, or tunable (hosted; its provider tunes it).")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(help="decoder, encoder, encoder-decoder or api.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="question-answering, classification, code, translation, …")
    ] = None,
    examples: Annotated[int | None, typer.Option(help="How many training examples.")] = None,
    form: Annotated[
        str | None,
        typer.Option(help="task (or labels), question-answer (states the facts), raw-text, none."),
    ] = None,
    documents: Annotated[int | None, typer.Option(help="How many documents.")] = None,
    covers: Annotated[
        bool | None, typer.Option("--covers/--no-covers", help="Do documents hold the answers?")
    ] = None,
    changes: Annotated[
        bool | None, typer.Option("--changes/--no-changes", help="Does the knowledge change?")
    ] = None,
    changes_every_days: Annotated[float | None, typer.Option(help="How often it does.")] = None,
    retrain_every_days: Annotated[float, typer.Option(help="How often one would train.")] = 30,
    exposure: Annotated[
        str | None, typer.Option(help="general, popular, domain, long-tail or private knowledge.")
    ] = None,
    memory_gib: Annotated[float | None, typer.Option(help="Limit: GiB of memory.")] = None,
    seconds_per_question: Annotated[float | None, typer.Option(help="Limit: latency.")] = None,
    cost_per_question: Annotated[float | None, typer.Option(help="Limit: money.")] = None,
    train_seconds: Annotated[float | None, typer.Option(help="Limit: training time.")] = None,
    energy_kwh: Annotated[float | None, typer.Option(help="Limit: energy to train.")] = None,
    max_forgetting: Annotated[
        float | None, typer.Option(min=0, max=1, help="Limit: general accuracy lost.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Data may not leave.")] = False,
    tflops: Annotated[float | None, typer.Option(help="What the machine sustains.")] = None,
    watts: Annotated[float | None, typer.Option(help="The machine's power at work.")] = None,
    price: Annotated[float | None, typer.Option(help="Money for a million tokens.")] = None,
    table: Annotated[
        Path | None, typer.Option(help="A CSV of cases: prints it with a column `advice`.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="With --table: leave out faulty rows' advice.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Advise from facts alone, without data or training; what is not given counts as unknown."""
    from flows.console import print_advice, print_table
    from tasks.advise import Told, advise_on
    from tasks.advise_table import advise_on_table
    from tasks.core.effort import Limits, Means

    if table is not None:
        print_table(advise_on_table(table, keep_going), as_json)
        return
    limits = Limits(
        memory_gib, seconds_per_question, cost_per_question, train_seconds, energy_kwh,
        max_forgetting, private,
    )  # fmt: skip
    told = Told(
        model, params, weights, architecture, task, examples, form, documents, covers, changes,
        changes_every_days, retrain_every_days, exposure, limits, Means(tflops, watts, price),
    )  # fmt: skip
    print_advice(advise_on(told), as_json)


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
def refresh(runfile: RunFilePath, as_json: AsJson = False) -> None:
    """Bring the index in step with its documents; only what changed is embedded."""
    follow("refresh", runfile, as_json)


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
    from tasks.run.reading import read_run

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
        Path | None, typer.Option(help="Folder of .md and .txt, or a .jsonl or .csv file.")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option(help="Questions with answers, .jsonl or .csv.")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(help="Instead: texts with labels or references, .jsonl or .csv."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="What the examples are for: classification (default), translation, …"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; default: DIR's.")] = None,
) -> None:
    """Write a commented run file for your own documents and questions, or examples."""
    from flows.console import print_written
    from tasks.scaffold import scaffold

    print_written(scaffold(folder, documents, questions, name, examples, task))


if __name__ == "__main__":
    main()

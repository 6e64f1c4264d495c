"""`adapt decide` and `adapt explain`: the decision of a finished run, again and explained."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_index import AsJson

if TYPE_CHECKING:
    from tasks.run import RunFile

Folder = Annotated[
    Path, typer.Argument(metavar="RUN_FOLDER", help="A finished run: runs/<name>/<time>.")
]


def show_plan(run: "RunFile", root: Path, as_json: bool) -> None:
    """Tell what a run would do; what libraries say goes to standard error."""
    from flows.console_decision import print_preview

    with redirect_stdout(sys.stderr):
        from tasks.planning.preview import preview

        told = preview(run, root)
    print_preview(told, as_json)


def explain(
    folder: Folder,
    question: Annotated[
        str | None, typer.Option(help="One dev question by id, as every path answered it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a path was chosen, what ruled the others out, and where the two best differ."""
    from flows.console_decision import print_explanation
    from tasks.results.explain import explain

    print_explanation(explain(folder, question), as_json)


def decide(
    folder: Folder,
    min_gain: Annotated[
        float | None, typer.Option(help="By how much a costlier path must be better.")
    ] = None,
    confidence: Annotated[float | None, typer.Option(help="Of the decision.")] = None,
    primary: Annotated[
        str | None, typer.Option(help="The metric: f1, exact_match or contains.")
    ] = None,
    memory_gib: Annotated[float | None, typer.Option(help="Limit: GiB of memory.")] = None,
    seconds_per_question: Annotated[float | None, typer.Option(help="Limit: latency.")] = None,
    seconds_p95: Annotated[
        float | None, typer.Option(help="Limit: seconds for 95 of 100 single questions.")
    ] = None,
    money_per_question: Annotated[
        float | None, typer.Option(help="Limit: a hosted model's price of an answer.")
    ] = None,
    energy_wh_per_question: Annotated[
        float | None, typer.Option(help="Limit: watt-hours of an answer.")
    ] = None,
    min_refused: Annotated[
        float | None, typer.Option(help="Limit: least share of unanswerable questions refused.")
    ] = None,
    train_seconds: Annotated[float | None, typer.Option(help="Limit: training time.")] = None,
    max_forgetting: Annotated[
        float | None, typer.Option(help="Limit: general accuracy lost.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for this decision's verdict.json; default: none.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide again on a finished run under other settings; nothing is measured or registered."""
    from flows.console_decision import print_decided
    from tasks.decision.decide_again import changes_of, decide_again
    from tasks.results.decided import write_decided
    from tasks.results.finished import read_finished
    from tasks.run.overrides import blaming

    changes = changes_of(
        min_gain=min_gain, confidence=confidence, primary=primary, memory_gib=memory_gib,
        seconds_per_question=seconds_per_question, seconds_p95=seconds_p95,
        money_per_question=money_per_question, energy_wh_per_question=energy_wh_per_question,
        min_refused=min_refused, train_seconds=train_seconds, max_forgetting=max_forgetting,
    )  # fmt: skip
    with blaming(changes):
        finished = read_finished(folder, changes)
        outcome = decide_again(finished)
    if output is not None:
        write_decided(outcome, output)
    before = {model: verdict.path for model, verdict in finished.verdicts.items()}
    print_decided(outcome, before, as_json, finished.run.noun)

"""The main flow: collect -> plan -> index -> fine-tune -> evaluate -> decide -> register.

Read top to bottom it is the story of a run; what each stage does is in `tasks`, how a stage is
cached and reported in `flows/steps.py`.
"""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.build_index import show
from flows.changes import collect_changed, follow_changed
from flows.collecting import collect_data, collect_knowledge
from flows.judging import agree, collect_labelled
from flows.measure import Measured, measure, measure_running
from flows.race import race
from flows.rewording import reword
from flows.steps import Stages, step
from flows.systems import Inputs
from tasks.artifacts import PathName
from tasks.core.decide import Verdict
from tasks.core.race import Cost
from tasks.core.race_state import FREE
from tasks.decision.across import choose_among
from tasks.decision.racing import as_cost, less
from tasks.machine import PROCESS
from tasks.models.spending import BudgetError, spending
from tasks.planning.clashes import check_limits
from tasks.planning.pace import matmul_rate, with_estimates
from tasks.planning.plan import advise, make_plan
from tasks.planning.preview import notes
from tasks.planning.ready import also_asked
from tasks.planning.weights import fetch_weights
from tasks.results import publish
from tasks.results.outcome import Outcome, Plan, Planned
from tasks.results.record import RunRecord
from tasks.results.tracking import check_tracking
from tasks.retrieval import refresh
from tasks.retrieval import settings as index_settings
from tasks.retrieval.search import retrieval_of
from tasks.retrieval.users import used_indexes
from tasks.run import Budget
from tasks.run.reading import Overrides, read_run

choose_settings = step(index_settings.choose_settings, "choose index settings", tensors=True)
build_index = step(refresh.follow_sources, "build index", tensors=True, retries=2)
choose_model = step(choose_among, "choose model", cached=False)
register = step(publish.register_best, "register", cached=False)
log = step(publish.publish, "report and log", cached=False)


@flow(name="adapt", flow_run_name="adapt {runfile}")
def adapt(
    runfile: str,
    output: str | None = None,
    models: list[str] | None = None,
    paths: list[PathName] | None = None,
    min_gain: float | None = None,
    memory_gib: float | None = None,
    budget: Budget | None = None,
) -> Outcome:
    """Measure which path is best for each base model, and register the winner.

    Args:
        runfile: The run file (TOML), as seen from where the run is executed.
        output: Folder for verdict.json, scorecards.json and report.md; by default a new one.
        models: Only these base models, by reference; by default those of the run file.
        paths: Only these paths; by default those of the run file.
        min_gain: By how much a costlier path must be better, in the primary metric's unit.
        memory_gib: Memory that a model may use, GiB; by default what is there.
        budget: What measuring may take: with any of its numbers the paths race for it.
    """
    limited = budget.model_dump(exclude_none=True) if budget else None
    run = read_run(Path(runfile), Overrides(models, paths, min_gain, memory_gib, limited))
    folder = publish.output_folder(run.name, Path(output) if output else None)
    check_tracking()
    stages = Stages()

    root = Path(runfile).parent
    corpus, examples = collect_data(stages, run, root)
    general = collect_knowledge(stages, run, root)
    changed = collect_changed(stages, run, root, corpus)
    labelled = collect_labelled(stages, run, root)
    plan = make_plan(run, corpus, examples)
    check_limits(run, plan, examples)
    rate = matmul_rate() if any(planned.paths for planned in plan.models) else 0.0
    for note in notes(run, plan, examples, rate, also_asked(changed, labelled)):
        print(note)
    plan = fetch_weights(plan)
    settings = stages(
        "choose index settings", choose_settings, corpus=corpus, examples=examples,
        spec=run.index, name=run.name,
    )  # fmt: skip
    built = stages(
        "build index", build_index, corpus=corpus, examples=examples, spec=settings.chosen,
        name=run.name, used=used_indexes,
    )  # fmt: skip
    if not stages.done[-1].reused:
        show(built)
    after = follow_changed(stages, run, corpus, changed, examples, settings.chosen)
    found = retrieval_of(built.index, settings.chosen)
    inputs = Inputs(run, examples, general, found, after, plan.judge)
    with spending(run) as account:
        agreement = agree(stages, run, plan.judge, labelled)
        paraphrases, cost = reword(stages, run, examples, plan)
        outcomes = each_model(stages, inputs._replace(paraphrases=paraphrases), plan, cost)
        measured = [one for one in outcomes if isinstance(one, Measured)]
        verdicts = tuple(one.verdict if isinstance(one, Measured) else one for one in outcomes)
        scorecards = tuple(card for one in measured for card in one.scorecards)
        across = stages("choose model", choose_model, run=run, verdicts=verdicts, cards=scorecards)
        champion = stages(
            "register", register, run=run, corpus=corpus, examples=examples, verdicts=verdicts,
            scorecards=scorecards, across=across, judge=plan.judge,
        )  # fmt: skip
    record = RunRecord(
        run=run,
        run_id=PROCESS,
        corpus=corpus,
        examples=examples,
        plan=with_estimates(run, examples, plan, rate).model_copy(update={"index": settings}),
        scorecards=scorecards,
        trainings=tuple(training for one in measured for training in one.trainings),
        general=tuple(score for one in measured for score in one.general),
        outcome=Outcome(champion=champion, verdicts=verdicts, across=across),
        output=str(folder),
        stages=tuple(stages.done),
        index=built,
        spent=account.total() if account.sent or account.kept else None,
        learning=tuple(point for one in measured for point in one.learning),
        agreement=agreement,
        races={one.verdict.model: one.race for one in measured if one.race},
    )
    report = stages("report and log", log, record=record)
    create_markdown_artifact(report, key=f"verdict-{run.name.lower().replace('_', '-')}")
    return record.outcome


def each_model(
    stages: Stages, inputs: Inputs, plan: Plan, spent: Cost = FREE
) -> list[Measured | Verdict]:
    """One model after the other; of a budget each gets its share of what those before it left."""
    left, outcomes = less(as_cost(inputs.run.budget), spent), []
    waiting = sum(1 for planned in plan.models if planned.paths)
    for planned in plan.models:
        share = left.times(1 / max(waiting, 1))
        outcomes.append(outcome := measured_or_advised(stages, inputs, planned, share))
        if isinstance(outcome, Measured):
            left = less(left, outcome.spent)
        waiting -= bool(planned.paths)
    return outcomes


def measured_or_advised(
    stages: Stages, inputs: Inputs, planned: Planned, budget: Cost
) -> Measured | Verdict:
    """What was measured of one model; advice where nothing can be, or a limit ended it first."""
    if not planned.paths:
        return advise(inputs.run, planned)
    try:
        if planned.system is not None:
            return measure_running(stages, inputs, planned, planned.system)
        if inputs.run.budget.given and len(planned.paths) > 1:
            return race(stages, inputs, planned, budget)
        return measure(stages, inputs, planned)
    except BudgetError as fault:
        return advise(inputs.run, planned.model_copy(update={"reason": str(fault)}))

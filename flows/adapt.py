"""The main flow: collect -> plan -> index -> fine-tune -> evaluate -> decide -> register.

Read top to bottom it is the story of a run; what each stage does is in `tasks`, how a stage is
cached and reported in `flows/steps.py`.
"""

from pathlib import Path
from typing import NamedTuple

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.build_index import collect_labelled, show
from flows.steps import Stages, step
from tasks import evaluate, forgetting, pace, tuning
from tasks.artifacts import (
    Corpus,
    ExampleSet,
    General,
    GeneralScore,
    PathName,
    Retrieval,
    Scorecard,
    Split,
    System,
    Training,
)
from tasks.core.decide import Verdict
from tasks.data import collect
from tasks.decision import decide_on, verdict_on
from tasks.machine import PROCESS
from tasks.models.spending import BudgetError, spending
from tasks.plan import advise, make_plan
from tasks.prompts import is_tuned, reads_passages, training_prompt
from tasks.results import publish
from tasks.results.ledger import read_test
from tasks.results.outcome import Outcome, Planned
from tasks.results.record import GeneralOf, RunRecord
from tasks.results.tracking import check_tracking
from tasks.retrieval import refresh
from tasks.retrieval import settings as index_settings
from tasks.retrieval.search import retrieval_of
from tasks.retrieval.users import used_indexes
from tasks.run import Overrides, RunFile, read_run

collect_documents = step(collect.collect_documents, "collect documents", cached=False)
collect_questions = step(collect.collect_questions, "collect questions", cached=False)
collect_general = step(collect.collect_general, "collect general questions", cached=False)
choose_settings = step(index_settings.choose_settings, "choose index settings", tensors=True)
build_index = step(refresh.follow_sources, "build index", tensors=True, retries=2)
train = step(tuning.train_path, "fine-tune", tensors=True)
choose_prompt = step(evaluate.choose_prompt, "choose prompt", tensors=True)
answer = step(evaluate.answer_split, "answer", tensors=True)
check_general = step(forgetting.general_score, "general knowledge", tensors=True)
decide = step(decide_on, "decide", cached=False)
register = step(publish.register_best, "register", cached=False)
log = step(publish.publish, "report and log", cached=False)


class Inputs(NamedTuple):
    """What every model is measured with."""

    run: RunFile
    examples: ExampleSet
    general: General | None
    retrieval: Retrieval


class Measured(NamedTuple):
    """What the measurement of one model left behind."""

    verdict: Verdict
    scorecards: tuple[Scorecard, ...]
    trainings: tuple[Training, ...]
    general: tuple[GeneralOf, ...]


@flow(name="adapt", flow_run_name="adapt {runfile}")
def adapt(
    runfile: str,
    output: str | None = None,
    models: list[str] | None = None,
    paths: list[PathName] | None = None,
    min_gain: float | None = None,
    memory_gib: float | None = None,
) -> Outcome:
    """Measure which path is best for each base model, and register the winner.

    Args:
        runfile: The run file (TOML), as seen from where the run is executed.
        output: Folder for verdict.json, scorecards.json and report.md; by default a new one.
        models: Only these base models, by reference; by default those of the run file.
        paths: Only these paths; by default those of the run file.
        min_gain: By how much a costlier path must be better, in the primary metric's unit.
        memory_gib: Memory that a model may use, GiB; by default what is there.
    """
    run = read_run(Path(runfile), Overrides(models, paths, min_gain, memory_gib))
    folder = publish.output_folder(run.name, Path(output) if output else None)
    check_tracking()
    stages = Stages()

    corpus, examples, general = collect_data(stages, run, Path(runfile).parent)
    plan = make_plan(run, corpus, examples)
    for sentence in pace.hosted_sentences(run, examples, plan.models):
        print(sentence)
    print(pace.sentence(pace.estimate_seconds(run, examples, plan.models, pace.matmul_rate())))
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
    inputs = Inputs(run, examples, general, retrieval_of(built.index, settings.chosen))
    with spending(run) as account:
        outcomes = [measured_or_advised(stages, inputs, planned) for planned in plan.models]
        measured = [one for one in outcomes if isinstance(one, Measured)]
        verdicts = tuple(one.verdict if isinstance(one, Measured) else one for one in outcomes)
        scorecards = tuple(card for one in measured for card in one.scorecards)
        champion = stages(
            "register", register, run=run, corpus=corpus, examples=examples, verdicts=verdicts,
            scorecards=scorecards,
        )  # fmt: skip
    record = RunRecord(
        run=run,
        run_id=PROCESS,
        corpus=corpus,
        examples=examples,
        plan=plan.model_copy(update={"index": settings}),
        scorecards=scorecards,
        trainings=tuple(training for one in measured for training in one.trainings),
        general=tuple(score for one in measured for score in one.general),
        outcome=Outcome(champion=champion, verdicts=verdicts),
        output=str(folder),
        stages=tuple(stages.done),
        index=built,
        spent=account.total() if account.sent or account.kept else None,
    )
    report = stages("report and log", log, record=record)
    create_markdown_artifact(report, key=f"verdict-{run.name.lower().replace('_', '-')}")
    return record.outcome


def collect_data(
    stages: Stages, run: RunFile, root: Path
) -> tuple[Corpus, ExampleSet, General | None]:
    """Documents, questions and general questions; stops where they cannot decide anything."""
    if run.data.examples is not None:
        corpus, examples = collect_labelled(stages, run, root)
    else:
        source = run.data.at(root, "documents")
        corpus = stages("collect documents", collect_documents, source=source)
        examples = stages(
            "collect questions",
            collect_questions,
            source=run.data.at(root, "questions"),
            documents=collect.read_documents(corpus),
            data=run.data,
            seed=run.seed,
            same_text=corpus.same_text,
        )
    collect.check_enough(examples, run.decision.min_gain, run.decision.confidence)
    if run.general is None:
        return corpus, examples, None
    items, text = root / run.general.items, root / run.general.text
    general = stages("collect general questions", collect_general, items=items, text=text)
    return corpus, examples, general


def measured_or_advised(stages: Stages, inputs: Inputs, planned: Planned) -> Measured | Verdict:
    """What was measured of one model; advice where nothing can be, or its budget ended first."""
    if not planned.paths:
        return advise(inputs.run, planned)
    try:
        return measure(stages, inputs, planned)
    except BudgetError as fault:
        return advise(inputs.run, planned.model_copy(update={"reason": str(fault)}))


def measure(stages: Stages, inputs: Inputs, planned: Planned) -> Measured:
    """Every path of one model answers the dev questions; the winner alone the test questions."""
    run, model = inputs.run, planned.model
    trainings: dict[PathName, Training] = {}
    general: dict[PathName, GeneralScore] = {}
    systems: dict[PathName, System] = {}
    cards: dict[PathName, Scorecard] = {}
    for path in planned.paths:
        retrieval = inputs.retrieval if reads_passages(path) else None
        if is_tuned(path):
            trainings[path] = tune(stages, inputs, planned, path)
        adapter = trainings[path].adapter if is_tuned(path) else None
        prompt = stages(
            f"choose prompt: {path}", choose_prompt, model=model, path=path, adapter=adapter,
            retrieval=retrieval, examples=inputs.examples, spec=run.answering,
            validation=run.training.validation, primary=run.decision.primary, seed=run.seed,
            task=run.task,
        )  # fmt: skip
        systems[path] = System(model=model, prompt=prompt, adapter=adapter, retrieval=retrieval)
        if inputs.general is not None and model.open_weights:
            general[path] = stages(
                f"general knowledge: {'base' if adapter is None else path}", check_general,
                model=model, adapter=adapter, general=inputs.general,
                batch_size=run.answering.batch_size,
            )  # fmt: skip
        cards[path] = score(stages, inputs, systems[path], "dev", general, trainings.get(path))
    decision, vetoes = stages(
        f"decide: {model.name}", decide, run=run, planned=planned, cards=tuple(cards.values())
    )
    test, times_read = None, 0
    if decision.path in systems:
        winner: PathName = next(path for path in systems if path == decision.path)
        test = score(stages, inputs, systems[winner], "test", general, trainings.get(winner))
        times_read = read_test(test.questions_digest, systems[winner].digest)
    verdict = verdict_on(run, planned, decision, vetoes, test, times_read)
    return Measured(
        verdict=verdict,
        scorecards=(*cards.values(), *((test,) if test else ())),
        trainings=tuple(trainings.values()),
        general=tuple(GeneralOf(model=model.ref, path=p, score=s) for p, s in general.items()),
    )


def tune(stages: Stages, inputs: Inputs, planned: Planned, path: PathName) -> Training:
    """Fine-tune one adapter, on prompts with or without passages."""
    run, labels = inputs.run, inputs.examples.labels
    return stages(
        f"fine-tune: {path}", train, model=planned.model, path=path, examples=inputs.examples,
        retrieval=inputs.retrieval if reads_passages(path) else None, general=inputs.general,
        prompt=training_prompt(path, run.answering, run.task, labels), spec=run.training,
        seed=run.seed,
    )  # fmt: skip


def score(
    stages: Stages,
    inputs: Inputs,
    system: System,
    split: Split,
    general: dict[PathName, GeneralScore],
    training: Training | None,
) -> Scorecard:
    """A system answers a split; what it scored, kept and cost."""
    run = inputs.run
    answers = stages(
        f"answer {split}: {system.path}", answer, system=system, examples=inputs.examples,
        split=split, batch_size=run.answering.batch_size,
    )  # fmt: skip
    base = general.get("prompt") or general.get("rag")
    return evaluate.scorecard(
        system, answers, run.decision.primary, general.get(system.path), base, training, PROCESS,
        run.price(system.model.ref),
    )  # fmt: skip

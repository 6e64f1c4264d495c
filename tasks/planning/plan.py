"""What will be measured of each base model, what will not, and the number behind it."""

from tasks.artifacts import Corpus, ExampleSet, ModelRef
from tasks.core.advice import evidence_for
from tasks.core.cases import HOSTED, OPEN, Case, known_task
from tasks.core.claims import Settings
from tasks.core.decide import Verdict, advised_verdict
from tasks.core.evidence import Evidence
from tasks.core.rule import RuleAdvice, size_rule
from tasks.core.veto import Veto, estimated_vetoes, fact_vetoes, memory_vetoes
from tasks.models.here import fetch_config, on_hub
from tasks.models.kinds import cannot_write
from tasks.models.references import resolve, runs_already
from tasks.planning import pace
from tasks.planning.adapters import is_shared
from tasks.planning.beside import check_search, judge_of, paraphraser_of
from tasks.planning.memory import memory_needs, memory_there, most
from tasks.planning.weights import obstacle, with_weights
from tasks.prompts import is_tuned
from tasks.results.outcome import Plan, Planned
from tasks.run import ModelSpec, RunFile
from tasks.task.known import find_task
from tasks.training.method import check_method


def make_plan(run: RunFile, corpus: Corpus, examples: ExampleSet) -> Plan:
    """Decide for each model which paths are measured: those that no fact rules out.

    Memory is estimated from sizes before anything is loaded. A model is measured if its weights
    are here or on the hub, and answering fits; nothing is fetched yet: see `fetch_weights`.

    Raises:
        InputError: a system that runs already cannot be had, or not be asked here; an encoder is
            to do a task that needs text; models cannot be tuned here in the way that is wanted; a
            model that judges, paraphrases, embeds or ranks cannot be had here.
    """
    there = memory_there(run)
    models = tuple(_of(run, spec, corpus, examples, there) for spec in run.models)
    tuned = [one.model for one in models if one.system is None and any(map(is_tuned, one.paths))]
    if any(model.generates for model in tuned):
        check_method(run.training)
    check_search(run)
    return Plan(
        memory_gib=there, models=models, judge=judge_of(run, there),
        paraphraser=paraphraser_of(run, there) if tuned else None,
    )  # fmt: skip


def _of(
    run: RunFile, spec: ModelSpec, corpus: Corpus, examples: ExampleSet, there: float
) -> Planned:
    """A base model with what rules paths out, or a system that runs already, as it is."""
    if runs_already(spec.ref):
        from tasks.results.running import plan_running

        return plan_running(run, spec)
    fetch_config(spec.ref)
    return _planned(run, resolve(spec), corpus, examples, there)


def check_task(run: RunFile, model: ModelRef) -> None:
    """Refuse an encoder where the task needs text.

    Raises:
        InputError: it names the model, the task and the ways out.
    """
    if not model.generates and not find_task(run.task).labels:
        raise cannot_write(model.ref, run.task)


def _planned(
    run: RunFile, model: ModelRef, corpus: Corpus, examples: ExampleSet, there: float
) -> Planned:
    check_task(run, model)
    needs = memory_needs(run, model, examples)
    vetoes = fact_vetoes(
        open_weights=model.open_weights,
        documents=corpus.count,
        examples=examples.count("train"),
        min_examples=run.limits.min_examples,
        changes_every_days=run.facts.changes_every_days,
        retrain_every_days=run.facts.retrain_every_days,
        generates=model.generates,
    )
    for one in needs:
        vetoes += memory_vetoes(one.path, one.answer_gib, one.train_gib, there)
    vetoes += _too_slow(run, model, examples)
    reason = obstacle(model, needs, there)
    barred = {veto.path for veto in vetoes}
    paths = tuple(p for p in run.decision.order if p in run.decision.paths and p not in barred)
    planned = Planned(
        model=model,
        paths=() if reason else paths,
        vetoes=vetoes,
        reason=reason,
        answer_gib=most(one.answer_gib for one in needs),
        train_gib=most(one.train_gib for one in needs),
        needs=needs,
    )
    return planned if reason or on_hub(model.ref) else with_weights(planned)


def _too_slow(run: RunFile, model: ModelRef, examples: ExampleSet) -> tuple[Veto, ...]:
    """Paths whose estimates of time are beyond a limit whatever the machine is doing."""
    limits = run.limits
    if (limits.seconds_per_question, limits.train_seconds) == (None, None):
        return ()
    rate, shared = pace.matmul_rate(), is_shared(run.training, model, run.decision.paths)
    return tuple(
        veto
        for path in run.decision.order
        for veto in estimated_vetoes(
            path,
            {
                "seconds_per_question": (
                    pace.question_seconds(run, examples, model, path, rate),
                    limits.seconds_per_question,
                ),
                "train_seconds": (
                    pace.training_seconds(run, examples, model, path, rate, shared=shared),
                    limits.train_seconds,
                ),
            },
        )
    )


def settings(run: RunFile) -> Settings:
    """What the run file says of deciding."""
    decision = run.decision
    return Settings(decision.min_gain, decision.confidence, decision.order, run.noun)


def rule_and_evidence(run: RunFile, model: ModelRef) -> tuple[RuleAdvice, Evidence]:
    """What the size rule and published results say of a model and the run's task."""
    return size_rule(model.size_class, run.task), evidence_for(case_of(run, model))


def case_of(run: RunFile, model: ModelRef) -> Case:
    """The facts that published results are compared by."""
    changes = None if run.facts.changes_every_days is None else True
    return Case(
        task=known_task(run.task),
        params=model.params,
        weights=OPEN if model.open_weights else HOSTED,
        form="task",  # questions with the answers wanted, about other documents than those asked
        changes=changes,
        exposure=run.facts.exposure,
    )


def advise(run: RunFile, planned: Planned, extra: tuple[Veto, ...] = ()) -> Verdict:
    """The verdict on a model that is not measured, with what stopped the measurement."""
    rule, evidence = rule_and_evidence(run, planned.model)
    return advised_verdict(
        model=planned.model.ref,
        params=planned.model.params,
        size_class=planned.model.size_class,
        rule=rule,
        evidence=evidence,
        vetoes=(*planned.vetoes, *extra),
        settings=settings(run),
        reason=planned.reason or "no path is left to measure",
    )

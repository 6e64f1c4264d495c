"""What will be measured of each base model, what will not, and the number behind it."""

from tasks.artifacts import Corpus, ExampleSet, Judge, ModelRef
from tasks.core import digest
from tasks.core.advice import evidence_for
from tasks.core.cases import HOSTED, OPEN, Case, known_task
from tasks.core.claims import Settings
from tasks.core.decide import Verdict, advised_verdict
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.rule import RuleAdvice, size_rule
from tasks.core.veto import Veto, estimated_vetoes, fact_vetoes
from tasks.machine import memory_gib
from tasks.models.endpoint import address
from tasks.models.kinds import cannot_write
from tasks.models.references import (
    fetch_config,
    has_chat_template,
    resolve,
    runs_already,
    weights_digest,
    weights_here,
)
from tasks.planning import pace
from tasks.planning.memory import memory_needs
from tasks.prompts import is_tuned
from tasks.results.outcome import Plan, Planned
from tasks.run import ModelSpec, RunFile
from tasks.task.known import find_task
from tasks.training.method import check_method


def make_plan(run: RunFile, corpus: Corpus, examples: ExampleSet) -> Plan:
    """Decide for each model which paths are measured: those that no fact rules out.

    Memory is estimated from sizes before anything is loaded. A model is measured if its weights
    are here and answering fits.

    Raises:
        InputError: a system that runs already cannot be had, or not be asked here; an encoder is
            to do a task that needs text; models cannot be tuned here in the way that is wanted; a
            model that judges or paraphrases cannot be asked here.
    """
    there = min(run.limits.memory_gib or memory_gib(), memory_gib())
    models = tuple(_of(run, spec, corpus, examples, there) for spec in run.models)
    tuned = [one.model for one in models if one.system is None and any(map(is_tuned, one.paths))]
    if any(model.generates for model in tuned):
        check_method(run.training)
    return Plan(
        memory_gib=there, models=models, judge=_judge(run, there),
        paraphraser=_paraphraser(run, there) if tuned else None,
    )  # fmt: skip


def _judge(run: RunFile, there: float) -> Judge | None:
    """Who will judge answers, and what it is told beside them; None where none is named."""
    if run.judge is None:
        return None
    return Judge(
        model=_beside(run, "judge.model", run.judge.model, there),
        question=run.judge.question,
        instruction=run.answering.instruction or find_task(run.task).instruction,
        text_words=run.answering.text_words,
    )


def _of(
    run: RunFile, spec: ModelSpec, corpus: Corpus, examples: ExampleSet, there: float
) -> Planned:
    """A base model with what rules paths out, or a system that runs already, as it is."""
    if runs_already(spec.ref):
        from tasks.results.running import plan_running

        return plan_running(run, spec)
    fetch_config(spec.ref)
    return _planned(run, resolve(spec), corpus, examples, there)


def _paraphraser(run: RunFile, there: float) -> ModelRef | None:
    """The model that rewords training questions, None where none is named."""
    ref = run.training.paraphrase_with
    return None if ref is None else _beside(run, "training.paraphrase_with", ref, there)


def _beside(run: RunFile, where: str, ref: str, there: float) -> ModelRef:
    """A model that writes beside those that are measured.

    Raises:
        InputError: it is an encoder, does not fit into memory, or is not here.
    """
    try:
        fetch_config(ref)
        model = resolve(ModelSpec(ref=ref))
        if not model.generates:
            raise InputError(
                where, ref, "a model that writes text; this is an encoder",
                "Name a decoder (…ForCausalLM) or a hosted model.",
            )  # fmt: skip
        answering = _memory(run, model)[0] if model.open_weights else None
        obstacle = _obstacle(model, answering, there)
        if obstacle is None:
            return model.model_copy(update={"weights": _weights(model)})
    except InputError as fault:
        raise InputError(where, fault.value, fault.allowed, fault.remedy) from None
    raise InputError(
        where,
        f"{ref} ({obstacle})",
        "a model that answers here",
        "Mend that, name another, or none.",
    )


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
    answering, training = _memory(run, model) if model.open_weights else (None, None)
    vetoes = fact_vetoes(
        open_weights=model.open_weights,
        documents=corpus.count,
        examples=examples.count("train"),
        min_examples=run.limits.min_examples,
        answer_gib=answering,
        train_gib=training,
        memory_gib=there,
        changes_every_days=run.facts.changes_every_days,
        retrain_every_days=run.facts.retrain_every_days,
        generates=model.generates,
    ) + _too_slow(run, model, examples)
    reason = _obstacle(model, answering, there)
    barred = {veto.path for veto in vetoes}
    paths = tuple(p for p in run.decision.order if p in run.decision.paths and p not in barred)
    weights = None if reason else _weights(model)
    return Planned(
        model=model.model_copy(update={"weights": weights}),
        paths=() if reason else paths,
        vetoes=vetoes,
        reason=reason,
        answer_gib=answering,
        train_gib=training,
        plain_template=not reason and _is_bare(model),
    )


def _is_bare(model: ModelRef) -> bool:
    """Whether a decoder that is here brings no chat template."""
    return model.open_weights and model.generates and not has_chat_template(model.ref)


def _too_slow(run: RunFile, model: ModelRef, examples: ExampleSet) -> tuple[Veto, ...]:
    """Paths whose estimates of time are beyond a limit whatever the machine is doing."""
    limits = run.limits
    if (limits.seconds_per_question, limits.train_seconds) == (None, None):
        return ()
    rate = pace.matmul_rate()
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
                    pace.training_seconds(run, examples, model, path, rate),
                    limits.train_seconds,
                ),
            },
        )
    )


def _memory(run: RunFile, model: ModelRef) -> tuple[float | None, float | None]:
    """Estimates of what answering and training need, GiB."""
    index = run.index
    chunks = max(index.try_k, default=index.k) * (2 * index.neighbours + 1)
    longest = max(index.try_chunk_tokens, default=index.chunk_tokens)
    tokens = chunks * longest + 256  # the passages, and all around them
    trained = min(tokens, run.training.max_tokens)
    return memory_needs(
        run, model, answering=(run.answering.batch_size, tokens),
        training=(run.training.batch_size, trained),
    )  # fmt: skip


def _weights(model: ModelRef) -> str:
    """What tells two models of one reference apart; of a hosted one only its address is known."""
    return weights_digest(model.ref) if model.open_weights else digest.of_text(address())


def _obstacle(model: ModelRef, answering: float | None, there: float) -> str | None:
    reasons = []
    if answering is not None and answering > there:
        reasons.append(f"answering needs {answering:.1f} GiB (estimated) of {there:.1f} GiB there")
    absent = weights_here(model)
    if absent:
        reasons.append(absent)
    return "; ".join(reasons) or None


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

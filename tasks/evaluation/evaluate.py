"""Every path answers the same questions; what comes out is a scorecard."""

import math
import time
from collections.abc import Sequence

from tasks.artifacts import (
    QUESTION_ANSWERING,
    Adapter,
    Answer,
    Answers,
    Cost,
    ExampleSet,
    GeneralScore,
    ModelRef,
    PathName,
    Prompt,
    Question,
    Retrieval,
    Scorecard,
    Split,
    System,
    Training,
)
from tasks.core import digest
from tasks.core.stats import Interval, mean_interval
from tasks.data.collect import read_questions
from tasks.evaluation.answering import generate_answers, levelled, refuses_unfound, retrieve
from tasks.evaluation.forgetting import forgotten
from tasks.models.answerer import load_answerer
from tasks.models.metering import asking
from tasks.prompts import candidates, is_tuned
from tasks.run import AnsweringSpec, Price
from tasks.sampling import hold_out, sample
from tasks.store import get_rows, put_rows
from tasks.task import constraints
from tasks.task.known import find_task
from tasks.task.metrics import by_kind, intervals, likelihood, values


def choose_prompt(
    model: ModelRef,
    path: PathName,
    adapter: Adapter | None,
    retrieval: Retrieval | None,
    examples: ExampleSet,
    spec: AnsweringSpec,
    validation: float,
    primary: str,
    seed: int,
    task: str = QUESTION_ANSWERING,
) -> Prompt:
    """The best of a path's candidate prompts on the training split, by the primary metric.

    A tuned path is asked about the tenth that its training held out, any other about a sample
    in which every kind has its proportion; never about its own demonstrations. An untuned prompt
    that chooses among labels is tried as it is, and less what it favours whatever the text. How
    much a vote counts beside a head is chosen by the likelihood of the right labels: so few texts
    tell shares apart by it, and not by how many are right.
    """
    train = read_questions(examples, "train")
    pick = find_task(task).demonstrators
    shown = () if is_tuned(path) else pick(train, spec.demonstrations, seed)
    rest = [question for question in train if question not in shown]
    if is_tuned(path):
        _, asked = hold_out(train, validation, seed)
    else:
        asked = sample(rest, spec.prompt_sample, seed)

    def options(demonstrations: Sequence[Question]) -> tuple[Prompt, ...]:
        return candidates(
            path, spec, demonstrations, task, examples.labels, examples.constraints,
            generates=model.generates,
        )  # fmt: skip

    prompts = options(shown)
    if len(prompts) == 1:
        return prompts[0]
    if not asked:  # there are so few that all of them are shown
        return options(())[0]
    found = retrieve(retrieval, asked, task) if retrieval else None
    decoder = load_answerer(model.ref, adapter)
    best: tuple[float, Prompt] | None = None
    for prompt in prompts:
        answers = generate_answers(
            decoder, prompt, asked, found, refuse_unfound=refuses_unfound(retrieval),
            batch_size=spec.batch_size, step=f"{path}: trying prompt {prompt.name!r}",
        )  # fmt: skip
        tried = [(prompt, answers)]
        if prompt.labels and not is_tuned(path):  # tuning learns how frequent labels are
            tried.append(levelled(prompt, answers))
        for one, rows in tried:
            score = likelihood(rows) if one.vote else sum(values(rows, primary)) / len(rows)
            if best is None or score > best[0]:
                best = score, one
    assert best is not None
    return best[1]


def answer_split(system: System, examples: ExampleSet, split: Split, batch_size: int) -> Answers:
    """A system's answers to one split, in the questions' order, with what they cost."""
    return answer_questions(system, read_questions(examples, split), split, batch_size)


def answer_questions(
    system: System, questions: Sequence[Question], split: Split, batch_size: int
) -> Answers:
    """A system's answers to these questions, in their order, with what they cost."""
    load_answerer(system.model.ref, system.adapter)  # loading is not a cost of answering
    with asking(system.model) as meter:
        began = time.perf_counter()
        task = system.prompt.task
        found = retrieve(system.retrieval, questions, task) if system.retrieval else None
        meter.beside = time.perf_counter() - began
        decoder = load_answerer(system.model.ref, system.adapter)
        rows = generate_answers(
            decoder, system.prompt, questions, found,
            refuse_unfound=refuses_unfound(system.retrieval),
            batch_size=batch_size, step=f"{system.path}: answering {split}", timings=meter.samples,
        )  # fmt: skip
        meter.tokens = sum(row.tokens_in + row.tokens_out for row in rows)
    return Answers(
        blob=put_rows(rows),
        system=system.digest,
        questions_sha=questions_digest(questions),
        split=split,
        n=len(rows),
        cost=meter.measured(),
    )


def questions_digest(questions: Sequence[Question]) -> str:
    """Digest of what was asked and expected, in order."""
    return digest.of_json([[q.id, q.question, list(q.answers)] for q in questions])


def scorecard(
    system: System,
    answers: Answers,
    primary: str,
    general: GeneralScore | None,
    base_general: GeneralScore | None,
    training: Training | None,
    run: str,
    price: Price | None = None,
) -> Scorecard:
    """Metrics with 95% intervals, clustered by source document, for all and for each kind."""
    rows = get_rows(answers.blob, Answer)
    task = find_task(system.prompt.task)
    names = tuple(dict.fromkeys((*task.metrics, *constraints.METRICS, primary)))
    metrics = intervals(rows, names)
    samples = answers.cost.samples
    if len(samples) > 1:  # one batch alone says nothing of how much they vary
        batches = [str(i) for i in range(len(samples))]
        metrics["seconds_per_question"] = mean_interval(samples, batches, bounds=(0, math.inf))
    metrics |= _beside(rows, price)
    if general is not None:
        metrics |= {"general_accuracy": general.accuracy, "general_loss": general.loss}
    if general is not None and base_general is not None and system.adapter is not None:
        metrics["forgetting"] = forgotten(base_general, general)
    return Scorecard(
        model=system.model.ref,
        params=system.model.params,
        path=system.path,
        split=answers.split,
        questions_digest=answers.questions_sha,
        primary=primary,
        n=answers.n,
        metrics=metrics,
        by_kind=by_kind(rows, names),
        corpus=task.corpus(rows) if task.corpus else (),
        answers={"uri": answers.blob.uri, "digest": answers.blob.sha},
        cost=_costs(answers, rows, training, run, price),
        prompt=system.prompt.name,
        system=system,
    )


def _beside(rows: Sequence[Answer], price: Price | None) -> dict[str, Interval]:
    """What only some answers have: a price, or a question without an answer to refuse."""
    found: dict[str, Interval] = {}
    if price is not None:
        money = [price.of(row.tokens_in, row.tokens_out) for row in rows]
        clusters = [row.cluster for row in rows]
        found["money_per_question"] = mean_interval(money, clusters, bounds=(0, math.inf))
    unanswerable = [row for row in rows if not row.expected and "refused" in row.scores]
    if unanswerable:
        found["refused_unanswerable"] = intervals(unanswerable, ["refused"])["refused"]
    return found


def _costs(
    answers: Answers,
    rows: Sequence[Answer],
    training: Training | None,
    run: str,
    price: Price | None,
) -> dict[str, float | str | None]:
    answering = answers.cost
    read, written = sum(row.tokens_in for row in rows), sum(row.tokens_out for row in rows)
    costs: dict[str, float | str | None] = {
        "train_seconds": training.cost.seconds if training else 0.0,
        "train_tokens": training.cost.tokens if training else 0,
        "train_energy_kwh": training.cost.energy_kwh if training else 0.0,
        "answer_seconds": answering.seconds,
        "answer_tokens": answering.tokens,
        "tokens_in": read,
        "tokens_out": written,
        "money": price.of(read, written) if price else None,
        "currency": price.currency if price else None,
        "energy_kwh": answering.energy_kwh,
        "energy_method": answering.energy_method,
        "seconds_per_question": answering.seconds / len(rows),
        "tokens_per_question": answering.tokens / len(rows),
        "answer_peak_gib": answering.peak_gib,
        "train_peak_gib": training.cost.peak_gib if training else None,
        "energy_kwh_per_question": per(answering, len(rows)),
        "device": answering.device,
        "dtype": answering.dtype,
        "machine": answering.machine,
        "reused_from": answering.run if answering.run != run else None,
        "train_reused_from": training.cost.run if training and training.cost.run != run else None,
    }
    return costs


def per(cost: Cost, n: int) -> float | None:
    """Energy a question, kWh; None where none was measured."""
    return None if cost.energy_kwh is None else cost.energy_kwh / n

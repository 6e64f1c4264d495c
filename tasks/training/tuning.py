"""What an adapter learns from: with passages, found ones and distractors, or without any."""

from collections.abc import Sequence

from tasks.artifacts import (
    ExampleSet,
    General,
    ModelRef,
    Paraphrases,
    Passage,
    PathName,
    Prompt,
    Question,
    Retrieval,
    Training,
)
from tasks.data.collect import read_general_text, read_questions
from tasks.evaluation.answering import retrieve
from tasks.retrieval.search import open_index
from tasks.run import TrainingSpec
from tasks.sampling import shuffled
from tasks.task.known import find_task
from tasks.training.paraphrase import read_paraphrases, sentence


def train_path(
    model: ModelRef,
    path: PathName,
    examples: ExampleSet,
    retrieval: Retrieval | None,
    general: General | None,
    prompt: Prompt,
    spec: TrainingSpec,
    seed: int,
    share: float = 1.0,
    paraphrases: Paraphrases | None = None,
) -> Training:
    """Fine-tune one path's adapter on the training split, or a share of it; `path` names it.

    An encoder learns texts and labels alone. With labelled examples in the prompt, those are the
    nearest others: never the example itself. Paraphrases come with the passages of their question.
    """
    questions, more = read_questions(examples, "train"), read_paraphrases(paraphrases)
    if not model.generates:
        from tasks.training.head import train_head

        made = train_head(model, questions, prompt.task, prompt.labels, spec, seed, share, more)
        return _noted(made, paraphrases)
    from tasks.training.finetune import finetune

    replay = read_general_text(general, "replay") if general else ()
    forms = [(prompt, _shown(questions, retrieval, prompt.task, spec, seed))]
    return _noted(finetune(model, forms, replay, spec, seed, share, more), paraphrases)


def train_both(
    model: ModelRef,
    examples: ExampleSet,
    retrieval: Retrieval,
    general: General | None,
    prompts: tuple[Prompt, Prompt],
    spec: TrainingSpec,
    seed: int,
    share: float = 1.0,
    paraphrases: Paraphrases | None = None,
) -> Training:
    """Fine-tune one adapter for both tuned paths of a decoder, as `train_path` does for one.

    Every example is learnt from with passages, in the first prompt, and without, in the second.
    """
    from tasks.training.finetune import finetune

    questions, more = read_questions(examples, "train"), read_paraphrases(paraphrases)
    replay = read_general_text(general, "replay") if general else ()
    forms = [
        (prompt, _shown(questions, found, prompt.task, spec, seed))
        for prompt, found in zip(prompts, (retrieval, None), strict=True)
    ]
    return _noted(finetune(model, forms, replay, spec, seed, share, more), paraphrases)


def _shown(
    questions: Sequence[Question],
    retrieval: Retrieval | None,
    task: str,
    spec: TrainingSpec,
    seed: int,
) -> Sequence[tuple[Question, tuple[Passage, ...] | None]]:
    """Questions with the passages that they are learnt with, or None without retrieval."""
    if retrieval is None:
        return [(question, None) for question in questions]
    if find_task(task).retrieves == "examples":
        return list(zip(questions, retrieve(retrieval, questions, task), strict=True))
    return grounded(questions, retrieval, spec.without_source, seed)


def _noted(made: Training, paraphrases: Paraphrases | None) -> Training:
    """A training that also tells what became of paraphrases, if any were asked for."""
    if paraphrases is None:
        return made
    note = f"learnt from {made.paraphrased} paraphrases as well; {sentence(paraphrases)}"
    return made.model_copy(update={"notes": (*made.notes, note)})


def grounded(
    questions: Sequence[Question], retrieval: Retrieval, without_source: float, seed: int
) -> tuple[tuple[Question, tuple[Passage, ...]], ...]:
    """Each question with k passages from the real index, as retrieval-aware fine-tuning wants.

    A source that retrieval missed takes the last place, so that there is something to read. For a
    share of the questions the source is left out and refusal is the answer to learn, so that the
    model reads what it is given and does not guess. (RAFT, arXiv:2403.10131, leaves sources out
    too, but keeps the answers, which teaches to recall them.) Questions without an answer keep
    what was found.
    """
    searcher = open_index(retrieval.index)
    k = retrieval.k
    # Twice as many are fetched, so that distractors can fill a left-out source's places. Where
    # nothing is similar enough, a system refuses unasked: there is nothing to learn from that.
    more = retrieval.model_copy(update={"k": 2 * k, "min_similarity": None})
    one = more.model_copy(update={"k": 1})
    found = searcher.search([question.question for question in questions], more)
    answerable = [question for question in questions if question.answerable]
    left_out = {q.id for q in shuffled(answerable, seed)[: round(len(answerable) * without_source)]}
    rows = []
    for question, passages in zip(questions, found, strict=True):
        source = question.document
        if source is None or not question.answerable:
            chosen = passages[:k]
        elif question.id in left_out:
            chosen = tuple(p for p in passages if p.document != source)[:k]
            question = question.model_copy(update={"answerable": False, "answers": ()})
        elif any(passage.document == source for passage in passages[:k]):
            chosen = passages[:k]
        else:
            (best,) = searcher.search([question.question], one, {"document": source})
            chosen = (*passages[: k - 1], *best)
        rows.append((question, chosen))
    return tuple(rows)

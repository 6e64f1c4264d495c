"""How many tokens prompts and trainings have, estimated from the data before anything is loaded."""

import math
from collections.abc import Sequence

from tasks.artifacts import ExampleSet, ModelRef, PathName
from tasks.core.halving import epochs_in_all
from tasks.data.questions import read_questions
from tasks.prompts import is_tuned, reads_passages
from tasks.run import RunFile
from tasks.task.known import find_task
from tasks.training.search import candidates

TOKENS_AROUND = 60  # of a question, its instruction, template and answer
ROOM = 112  # the same where memory is planned, for long ones
AROUND_AN_EXAMPLE = 12  # tokens of its label, and of what parts it from the next
CHARACTERS_A_TOKEN = 4  # of English prose


def prompt_tokens(run: RunFile, examples: ExampleSet, model: ModelRef, path: PathName) -> float:
    """Tokens of one prompt with its answer, roughly; an encoder is shown the text, or nothing."""
    if not model.generates:
        return _passage_tokens(run, examples) if is_tuned(path) else 0.0
    around = TOKENS_AROUND
    if examples.pairs:
        around += round(_pair_tokens(examples))
        if path == "prompt":
            around += round(run.answering.demonstrations * _passage_tokens(run, examples))
    shown = run.index.k * _passage_tokens(run, examples) if reads_passages(path) else 0
    return around + shown


def longest_prompt(run: RunFile, examples: ExampleSet | None, path: PathName) -> tuple[int, int]:
    """Tokens of a decoder's longest prompt on a path, with its answer, for memory to be planned.

    The first number counts all the passages that a search may bring, and room around them. Where
    those are examples, all as long, with label or reference, as nine in ten are at most; where none
    are known as long as a chunk of a document. The second is of demonstrations, with which all
    prompts of the path begin.
    """
    index, chunk = run.index, max(run.index.try_chunk_tokens, default=run.index.chunk_tokens)
    most = max(index.try_k, default=index.k) * (2 * index.neighbours + 1)
    shown = most if reads_passages(path) else 0
    searches_documents = find_task(run.task).retrieves == "documents"
    train = [] if examples is None or searches_documents else read_questions(examples, "train")
    if not train:
        return shown * chunk + ROOM, 0
    lengths = [len(one.question) + len(one.answers[0]) for one in train]
    long = sorted(lengths)[math.ceil(0.9 * len(lengths)) - 1] / CHARACTERS_A_TOKEN
    each = AROUND_AN_EXAMPLE + long
    begin = run.answering.demonstrations * (path == "prompt")
    return round(TOKENS_AROUND + (shown + 1) * each), round(begin * each)


def judge_tokens(examples: ExampleSet) -> float:
    """Tokens that a judge reads of one answer: it is shown with its text and its reference."""
    return TOKENS_AROUND + 1.5 * _pair_tokens(examples)


def train_tokens(
    run: RunFile, examples: ExampleSet, model: ModelRef, path: PathName, shared: bool
) -> float:
    """Tokens that a path's training reads in all its epochs; `shared`: its half of one for both."""
    if not is_tuned(path):
        return 0.0
    spec = run.training
    epochs = spec.epochs_with_passages if reads_passages(path) else spec.epochs
    if shared:  # every other time with passages
        epochs = spec.epochs_with_passages / 2
    rows = learnt(run, examples) * (1 + spec.rewordings)
    tokens = prompt_tokens(run, examples, model, path)
    if not model.generates:
        return spec.encoder_epochs * rows * tokens
    epochs = epochs_in_all(len(candidates(spec)), epochs)
    return epochs * rows * (tokens + spec.replay * TOKENS_AROUND)


def learnt(run: RunFile, examples: ExampleSet) -> float:
    """How many training questions are learnt from, when those that stop it early are held out."""
    return examples.count("train") * (1 - run.training.validation)


def paraphrased(run: RunFile, examples: ExampleSet) -> int:
    """How many paraphrases of training questions are asked for."""
    return round(learnt(run, examples) * run.training.rewordings)


def _passage_tokens(run: RunFile, examples: ExampleSet) -> float:
    """A passage's tokens: chunks are nearly full; an example has those of its text and answer."""
    if find_task(run.task).retrieves == "documents":
        return run.index.chunk_tokens
    if examples.pairs:
        return AROUND_AN_EXAMPLE + _pair_tokens(examples)
    texts = [one.question for one in read_questions(examples, "train")]
    return AROUND_AN_EXAMPLE + _mean_tokens(texts)


def _pair_tokens(examples: ExampleSet) -> float:
    """Tokens of a text and its first reference."""
    train = read_questions(examples, "train")
    texts = [one.question for one in train], [one.answers[0] for one in train]
    return math.fsum(map(_mean_tokens, texts))


def _mean_tokens(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / CHARACTERS_A_TOKEN / len(texts)

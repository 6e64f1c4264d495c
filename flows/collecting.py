"""The data of a run, collected as part of a flow: what is searched, and what is asked."""

from pathlib import Path

from flows.steps import Stages, step
from tasks.artifacts import Corpus, ExampleSet, General
from tasks.data import collect
from tasks.retrieval import refresh
from tasks.run import RunFile

collect_documents = step(collect.collect_documents, "collect documents", cached=False)
collect_questions = step(collect.collect_questions, "collect questions", cached=False)
collect_canaries = step(refresh.collect_canaries, "collect canary questions", cached=False)
collect_examples = step(collect.collect_for_task, "collect examples", cached=False)
training_corpus = step(collect.training_corpus, "collect training examples", cached=False)
collect_general = step(collect.collect_general, "collect general questions", cached=False)


def collect_data(stages: Stages, run: RunFile, root: Path) -> tuple[Corpus, ExampleSet]:
    """What a run measures with; stops where it cannot decide anything."""
    if run.data.examples is not None:
        corpus, examples = _examples(stages, run, root)
    else:
        corpus = _documents(stages, run, root)
        examples = stages(
            "collect questions", collect_questions, source=run.data.at(root, "questions"),
            documents=collect.read_documents(corpus), data=run.data, seed=run.seed,
            same_text=corpus.same_text,
        )  # fmt: skip
    collect.check_enough(examples, run.decision.min_gain, run.decision.confidence)
    return corpus, examples


def collect_for_index(stages: Stages, run: RunFile, root: Path) -> tuple[Corpus, ExampleSet]:
    """What an index follows and is tried with, also where questions ask about what is gone."""
    if run.data.examples is not None:
        return _examples(stages, run, root)
    corpus = _documents(stages, run, root)
    examples = stages(
        "collect canary questions", collect_canaries, source=run.data.at(root, "questions"),
        corpus=corpus, data=run.data, seed=run.seed,
    )  # fmt: skip
    return corpus, examples


def collect_knowledge(stages: Stages, run: RunFile, root: Path) -> General | None:
    """What the check on forgetting asks, if there is one."""
    if run.general is None:
        return None
    items, text = root / run.general.items, root / run.general.text
    return stages("collect general questions", collect_general, items=items, text=text)


def _documents(stages: Stages, run: RunFile, root: Path) -> Corpus:
    source = run.data.at(root, "documents")
    return stages("collect documents", collect_documents, source=source)


def _examples(stages: Stages, run: RunFile, root: Path) -> tuple[Corpus, ExampleSet]:
    """Examples with labels or references, and the training ones among them as what is searched."""
    examples = stages(
        "collect examples", collect_examples, task=run.task, root=root, data=run.data,
        seed=run.seed,
    )  # fmt: skip
    return stages("collect training examples", training_corpus, examples=examples), examples

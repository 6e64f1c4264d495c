"""All that a run reads and checks before it builds anything; nothing is loaded or fetched."""

from pathlib import Path
from typing import NamedTuple

from tasks.artifacts import Blob, Corpus, ExampleSet, LabelledAnswer, Question
from tasks.data import collect
from tasks.data.verdicts import collect_verdicts
from tasks.evaluation.freshness import Changed, collect_changes
from tasks.planning.clashes import check_limits
from tasks.planning.pace import Also
from tasks.planning.plan import make_plan
from tasks.results.outcome import Plan
from tasks.run import RunFile
from tasks.store import get_rows


class Ready(NamedTuple):
    """A run's data and its plan; `also` counts what is asked beside the splits."""

    corpus: Corpus
    examples: ExampleSet
    also: Also
    plan: Plan


def make_ready(run: RunFile, root: Path) -> Ready:
    """Read a run's data, check them and make its plan; `root` is the run file's folder.

    Raises:
        InputError: data, models or limits are at fault.
    """
    corpus, examples = read_data(run, root)
    collect.check_enough(examples, run.decision.min_gain, run.decision.confidence)
    if run.general is not None:
        collect.collect_general(root / run.general.items, root / run.general.text)
    changed = labelled = None
    if run.changes is not None and not run.budget.given:  # a race asks nothing about changes
        documents, questions = root / run.changes.documents, root / run.changes.questions
        changed = collect_changes(documents, questions, corpus)
    if run.judge is not None and run.judge.labels is not None:
        labelled = collect_verdicts(root / run.judge.labels)
    plan = make_plan(run, corpus, examples)
    check_limits(run, plan, examples)
    return Ready(corpus, examples, also_asked(changed, labelled), plan)


def also_asked(changed: Changed | None, labelled: Blob | None) -> Also:
    """How many questions about what changes there are, and answers that people judged."""
    return Also(
        changed=len(get_rows(changed.questions, Question)) if changed else 0,
        labelled=len(get_rows(labelled, LabelledAnswer)) if labelled else 0,
    )


def read_data(run: RunFile, root: Path) -> tuple[Corpus, ExampleSet]:
    """What retrieval looks over, and the examples.

    Raises:
        InputError: data are missing or at fault.
    """
    if run.data.examples is not None:
        examples = collect.collect_for_task(run.task, root, run.data, run.seed)
        return collect.training_corpus(examples), examples
    corpus = collect.collect_documents(run.data.at(root, "documents"))
    asked, known = run.data.at(root, "questions"), collect.read_documents(corpus)
    return corpus, collect.collect_questions(asked, known, run.data, run.seed, corpus.same_text)

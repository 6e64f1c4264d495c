"""What changes after a run, as part of its flow: collected, followed by an index, asked about."""

from pathlib import Path
from typing import NamedTuple

from flows.steps import Stages, step
from tasks.artifacts import Corpus, ExampleSet, Scorecard, System
from tasks.core.stats import Interval
from tasks.evaluation import freshness
from tasks.evaluation.freshness import Changed
from tasks.retrieval.refresh import IndexBuild
from tasks.retrieval.users import used_indexes
from tasks.run import IndexSpec, RunFile

collect = step(freshness.collect_changes, "collect changes", cached=False)
follow = step(freshness.follow_changes, "follow changes", tensors=True, retries=2)
answer = step(freshness.answer_changes, "answer changes", tensors=True)


class After(NamedTuple):
    """The day after: what has changed, and the copy of the index that has followed it."""

    changed: Changed
    build: IndexBuild


def collect_changed(stages: Stages, run: RunFile, root: Path, corpus: Corpus) -> Changed | None:
    """What a run file says will change, if it does; a race pays for no such questions."""
    if run.changes is None or run.budget.given:
        return None
    documents, questions = root / run.changes.documents, root / run.changes.questions
    return stages(
        "collect changes", collect, documents=documents, questions=questions, corpus=corpus
    )


def follow_changed(
    stages: Stages,
    run: RunFile,
    corpus: Corpus,
    changed: Changed | None,
    examples: ExampleSet,
    spec: IndexSpec,
) -> After | None:
    """Let a copy of the index follow what has changed."""
    if changed is None:
        return None
    build = stages(
        "follow changes", follow, corpus=corpus, changed=changed, examples=examples, spec=spec,
        name=run.name, used=used_indexes,
    )  # fmt: skip
    return After(changed, build)


def ask_changed(
    stages: Stages, run: RunFile, after: After | None, system: System, card: Scorecard
) -> dict[str, Interval]:
    """A system on what has changed: as it is, and from the index that has followed.

    One that searches nothing, or an index of another name, is as it was.
    """
    if after is None:
        return {}
    asked = {"system": system, "changed": after.changed, "batch_size": run.answering.batch_size}
    stale = stages(f"answer changes: {system.path}", answer, index=None, **asked)
    found = system.retrieval
    if found is None or found.index.name != run.name:
        return freshness.freshness(card, stale, stale, None)
    fresh = stages(
        f"answer changes: {system.path}, refreshed", answer, index=after.build.index, **asked
    )
    return freshness.freshness(card, stale, fresh, after.build)

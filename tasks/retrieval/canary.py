"""Questions with a known source, asked of an index before its name points at it."""

from collections.abc import Mapping, Sequence

from tasks.artifacts import Index, Question, Search
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.retrieval.filling import Job


def found_sources(
    index: Index, job: Job, asked: Sequence[Question], known: Mapping[str, bool] | None = None
) -> dict[str, bool]:
    """Of each canary question, by its `key`, whether its source is found.

    What is `known` of this index is not asked again. Empty where the index does not open.
    """
    from tasks.retrieval.search import open_index

    found = {key: hit for key, hit in (known or {}).items() if key in {_key(q, job) for q in asked}}
    new = [one for one in asked if _key(one, job) not in found]
    if not new:
        return found
    try:
        searcher = open_index(index, job.load)
    except InputError:
        return {}
    answered = searcher.search([one.question for one in new], job.spec)
    return found | {
        _key(one, job): any(passage.document == one.document for passage in passages)
        for one, passages in zip(new, answered, strict=True)
    }


def share(found: Mapping[str, bool], asked: Sequence[Question], job: Job) -> float | None:
    """Recall over the questions that count; None where there are none, or none were asked."""
    return sum(found[_key(one, job)] for one in asked) / len(asked) if found and asked else None


def check_canaries(job: Job, before: float | None, after: float | None) -> None:
    """Refuse an index that finds fewer sources than the present one, beyond the margin.

    Raises:
        InputError: it does; it names both shares.
    """
    if before is None or after is None or after >= before - job.spec.canary_margin:
        return
    raise InputError(
        f"index {job.name}: recall of canary questions", f"{after:.3f}",
        f"at least {before:.3f} (the present index) - {job.spec.canary_margin} (canary_margin)",
        "The present index stays. Choose another encoder or chunk size, or a wider margin.",
    )  # fmt: skip


def _key(question: Question, job: Job) -> str:
    """What a canary's outcome depends on beside the index."""
    settings = [getattr(job.spec, name) for name in Search.model_fields]
    return digest.of_json([question.question, question.document, settings])

"""Two winners of the finished run in small: what is registered."""

import pytest

from tasks.artifacts import Blob
from tasks.results.record import RunRecord
from tasks.results.version_files import Candidate


@pytest.fixture
def tuned(record: RunRecord) -> Candidate:
    """The better system, with adapter and retrieval."""
    card = record.scorecards[1]
    return Candidate(
        run=record.run,
        run_id=record.run_id,
        system=card.system,
        verdict=record.outcome.verdicts[0],
        scorecard=card,
        documents=record.corpus.documents,
        questions=Blob(uri="questions", sha="qs", bytes=1),
    )


@pytest.fixture
def plain(record: RunRecord, tuned: Candidate) -> Candidate:
    """The worse system, without adapter and retrieval."""
    card = record.scorecards[0]
    return tuned.model_copy(update={"system": card.system, "scorecard": card})

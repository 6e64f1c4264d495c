"""Same question, corpus and settings: both backends find the same by vector."""

import uuid
from pathlib import Path

import pytest

from tasks.artifacts import Passage, Search
from tasks.data.collect import collect_documents, collect_questions, read_documents, read_questions
from tasks.retrieval.index import build
from tasks.retrieval.search import open_index
from tasks.run import Data, IndexSpec

pytestmark = pytest.mark.servers

HARBOUR = Path(__file__).parents[2] / "examples" / "harbour"
K = 10
NOISE = 1e-4  # what two ways to compute a cosine may differ by


def same(one: tuple[Passage, ...], other: tuple[Passage, ...]) -> bool:
    """Equal scores rank by rank, and equal passages but for ties with the last place."""
    scores = [passage.score for passage in one]
    if scores != pytest.approx([passage.score for passage in other], abs=NOISE):
        return False
    clear = scores[-1] + 2 * NOISE

    def places(passages: tuple[Passage, ...], above: float) -> set[tuple[str, int, str]]:
        return {(p.document, p.position, p.sha) for p in passages if p.score > above}

    return places(one, clear) <= places(other, -1) and places(other, clear) <= places(one, -1)


@pytest.mark.usefixtures("weaviate_url")
def test_backends_find_the_same_passages_by_vector(home: Path) -> None:
    corpus = collect_documents(HARBOUR / "documents")
    data = Data(documents="d", questions="q", share_documents=True)
    examples = collect_questions(HARBOUR / "questions.jsonl", read_documents(corpus), data, seed=7)
    asked = [question.question for question in read_questions(examples, "dev")]
    name = f"agree-{uuid.uuid4().hex[:8]}"
    lance, weaviate = (
        open_index(build(corpus, IndexSpec(backend=backend), name)).search(
            asked, Search(k=K, mode="vector")
        )
        for backend in ("lancedb", "weaviate")
    )
    assert len(asked) == 124
    unlike = [
        question
        for question, one, other in zip(asked, lance, weaviate, strict=True)
        if not same(one, other)
    ]
    assert unlike == []

"""What the contract suites of searching share: a town to search, and how."""

import uuid
from collections.abc import Sequence

from tasks.artifacts import Corpus, Passage, Search, SearchMode
from tests.corpora import document, stored
from tests.tasks.retrieval.town import TOWN, YARD

RUN = uuid.uuid4().hex[:8]  # a server may hold what earlier runs left
MODES: tuple[SearchMode, ...] = ("vector", "keyword", "hybrid")
TEXTS = TOWN | {
    "café": "Zoë's café serves crème brûlée and 日本茶 on the quay. It shuts on Mondays.",
    "o'hara": YARD,
}
DATES = {"lamp": "2024-05-01", "ferry": "2025-01-31"}
TAGS = {"lamp": ("light", "sea"), "ferry": ("sea",), "o'hara": ("o'hara's", "sea, side")}


def how(k: int, mode: SearchMode, alpha: float = 0.5, **more: object) -> Search:
    """How to search; what is not said is as in a run file."""
    return Search.model_validate({"k": k, "mode": mode, "alpha": alpha, **more})


def dated_corpus(texts: dict[str, str]) -> Corpus:
    """A corpus whose documents have titles, and some of them dates and tags."""
    return stored(
        document(
            name, text, title=name.title(), source=f"docs/{name}.md", date=DATES.get(name),
            tags=TAGS.get(name, ()),
        )
        for name, text in texts.items()
    )  # fmt: skip


def places(passages: Sequence[Passage]) -> list[tuple[str, int]]:
    """Document and position of passages, in their order."""
    return [(passage.document, passage.position) for passage in passages]

"""Searches an index: by vector, by words or by both; filtered, reranked, neighbours joined."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tasks.artifacts import Index, Passage, Retrieval, Search
from tasks.core.errors import InputError
from tasks.core.ranking import fused_scores
from tasks.models.references import weights_digest
from tasks.retrieval.backend import FIELDS, Backend, Query, Ranked, backend_of
from tasks.retrieval.chunking import clean
from tasks.retrieval.encoding import Encoder, load_encoder
from tasks.retrieval.index import latest
from tasks.retrieval.index_record import read_records
from tasks.retrieval.neighbours import joined, places
from tasks.retrieval.rerank import reranked, reranker_sha

# What hybrid search and a reranker take from a ranking, at least. Fixed, for fusion scales scores
# by the last one taken: the order of the first few must not depend on k.
FUSED_FROM = 50
WIDEST = 10_000  # passages fetched at most to settle a tie; Weaviate gives no more

Found: TypeAlias = tuple[tuple[Passage, ...], ...]


@dataclass(frozen=True)
class Searcher:
    """An index that can be asked; the encoder is loaded by the first search that needs it."""

    index: Index
    backend: Backend
    load: Callable[[str], Encoder] = load_encoder

    def search(
        self, queries: Sequence[str], how: Search, where: Mapping[str, str] | None = None
    ) -> Found:
        """At most `how.k` passages for each query, best first; a blank query finds nothing.

        `where` keeps only passages whose document, title, source (path) or date equals the given
        value, or among whose tags it is. Equal scores come in the order of document and position.

        Raises:
            InputError: k is below 1, `where` names an unknown field, or the reranker's weights
                are not those that a `Retrieval` was measured with.
        """
        _check(how, where or {})
        cleaned = [clean(query).strip() for query in queries]
        texts = tuple(text for text in cleaned if text)
        if not texts:
            return ((),) * len(cleaned)
        encode = None if how.mode == "keyword" else self.load(self.index.encoder).encode
        vectors = encode(texts, "query") if encode else None
        found = iter(self._found(Query(texts, vectors, how.k, dict(where or {})), how))
        return tuple(next(found) if text else () for text in cleaned)

    def describe(self) -> dict[str, object]:
        """What the index holds and how it was made, and what `where` may name."""
        held = self.index.model_dump(mode="json", exclude={"uri", "address"})
        return {**held, "fields": FIELDS}

    def _found(self, query: Query, how: Search) -> list[tuple[Passage, ...]]:
        depth = max(FUSED_FROM, how.k) if how.reranker else how.k
        ranked = [some[:depth] for some in self._ranked(replace(query, k=depth), how)]
        if how.reranker:
            ranked = reranked(how.reranker, query.texts, ranked)
        hits = [tuple(some[: how.k]) for some in ranked]
        if not how.neighbours:
            return hits
        wanted = set().union(*(places(some, how.neighbours) for some in hits))
        around = self.backend.passages(self.index.address, wanted)
        return [joined(some, how.neighbours, around) for some in hits]

    def _ranked(self, query: Query, how: Search) -> list[Ranked]:
        """Each text's ranking, at least `query.k` long where so much is there."""
        if how.mode == "keyword":
            return _past_ties(self.backend.matching, self.index.address, query)
        if how.mode == "vector":
            near = _past_ties(self.backend.near, self.index.address, query)
            return [some if _similar(some, how) else [] for some in near]
        deep = replace(query, k=max(FUSED_FROM, query.k))
        near, matching = (
            [some[: deep.k] for some in _past_ties(ask, self.index.address, deep)]
            for ask in (self.backend.near, self.backend.matching)
        )
        return [
            fused(one, other, how.alpha) if _similar(one, how) else []
            for one, other in zip(near, matching, strict=True)
        ]


def open_index(index: Index, load: Callable[[str], Encoder] = load_encoder) -> Searcher:
    """Open the very index that is given, not what its name points at by now.

    Raises:
        InputError: it is gone or was replaced in place, or the encoder's weights have changed.
    """
    backend = backend_of(index)
    record = read_records(backend, index.name).get(index.address)
    held = record.index.sha if record else "nothing"
    if held != index.sha:
        raise InputError(
            f"index {index.name} at {index.address}", held, f"the index with digest {index.sha}",
            "It was removed or has moved on: run again, and it is built or followed.",
        )  # fmt: skip
    return _opened(index, backend, load)


def open_latest(index: Index, load: Callable[[str], Encoder] = load_encoder) -> Searcher:
    """Open what an index's name points at now.

    Raises:
        InputError: it points at nothing, or the encoder's weights have changed.
    """
    return _opened(latest(index), backend_of(index), load)


def search_latest(
    index: Index,
    queries: Sequence[str],
    how: Search,
    search: Callable[[Searcher, Sequence[str], Search], Found] = Searcher.search,
) -> tuple[Found, Index]:
    """Search what an index's name points at now: all of it in one version, which is named.

    A version that is removed under the search is replaced by what the name points at then.
    """
    while True:
        searcher = open_latest(index)
        try:
            return search(searcher, queries, how), searcher.index
        except Exception:  # each store has faults of its own for what is gone
            if latest(index).address == searcher.index.address:
                raise


def _opened(index: Index, backend: Backend, load: Callable[[str], Encoder]) -> Searcher:
    weights = weights_digest(index.encoder)
    if weights != index.encoder_sha:
        raise InputError(
            f"index {index.name}: encoder", f"{index.encoder} ({weights})",
            f"the weights it was built with ({index.encoder_sha})", "Build the index again.",
        )  # fmt: skip
    return Searcher(index, backend, load)


def retrieval_of(index: Index, how: Search) -> Retrieval:
    """A system's retrieval from an index, with the reranker's weights named."""
    settings = {name: getattr(how, name) for name in Search.model_fields}
    sha = reranker_sha(how.reranker) if how.reranker else None
    return Retrieval(index=index, reranker_sha=sha, **settings)


def fused(near: Ranked, matching: Ranked, alpha: float) -> Ranked:
    """Two rankings as one, by `fused_scores`."""
    passages = {_place(passage): passage for passage in (*matching, *near)}
    scores = fused_scores(
        {_place(passage): passage.score for passage in near},
        {_place(passage): passage.score for passage in matching},
        alpha,
    )
    return _ordered(
        passages[place].model_copy(update={"score": score}) for place, score in scores.items()
    )


def _check(how: Search, where: Mapping[str, str]) -> None:
    if how.k < 1:
        raise InputError("index.k", how.k, "1 or more", "Ask for at least one passage.")
    for field in where:
        if field not in FIELDS:
            raise InputError("where", field, ", ".join(FIELDS), "Filter on one of these.")
    if isinstance(how, Retrieval) and how.reranker:
        sha = reranker_sha(how.reranker)
        if sha != how.reranker_sha:
            raise InputError(
                "index.reranker", f"{how.reranker} ({sha})",
                f"the weights it was measured with ({how.reranker_sha})", "Run again.",
            )  # fmt: skip


def _similar(near: Ranked, how: Search) -> bool:
    """Whether the best cosine is high enough to know anything."""
    return how.min_similarity is None or (bool(near) and near[0].score >= how.min_similarity)


def _past_ties(
    ask: Callable[[str, Query], list[Ranked]], address: str, query: Query
) -> list[Ranked]:
    """Ask until no tie straddles the k-th place: stores break ties in no stable order."""
    limit = query.k + 8
    while True:
        ranked = [_ordered(some) for some in ask(address, replace(query, k=limit))]
        settled = all(
            len(some) < limit or some[-1].score < some[query.k - 1].score for some in ranked
        )
        if settled or limit >= WIDEST:
            return ranked
        limit = min(4 * limit, WIDEST)


def _ordered(passages: Iterable[Passage]) -> Ranked:
    """Best first, scores to six decimals, so that equal passages tie whatever the sums' order."""
    return sorted(map(_rounded, passages), key=lambda one: (-one.score, *_place(one)))


def _rounded(passage: Passage) -> Passage:
    score = round(passage.score, 6)
    return passage if score == passage.score else passage.model_copy(update={"score": score})


def _place(passage: Passage) -> tuple[str, int]:
    return passage.document, passage.position

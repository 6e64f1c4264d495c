"""Chunk size, alpha and k by measurement: what finds the known sources of the dev questions."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tasks.artifacts import Corpus, ExampleSet, Index, Question, Search, Value
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.core.ranking import ndcg_at, recall_at, reciprocal_rank
from tasks.data.questions import known_sources
from tasks.retrieval.backend import BACKENDS, Backend, collection_name
from tasks.retrieval.encoding import Encoder, load_encoder
from tasks.retrieval.filling import Job, filled
from tasks.retrieval.lock import alone
from tasks.retrieval.search import Searcher
from tasks.run import IndexSpec

Number = TypeVar("Number", int, float)

DEPTH = 10  # passages that nDCG looks at
WITHIN = 0.01  # of the best recall: a smaller k that comes so close is taken


class Trial(Value):
    """What one setting found: means over the questions with a known source.

    `recall` is recall@k, `ndcg` is nDCG@10; mrr and ndcg do not depend on k.
    """

    chunk_tokens: int
    alpha: float
    k: int
    chunks: int
    recall: float
    mrr: float
    ndcg: float


class SettingsSearch(Value):
    """All that was tried on `questions` dev questions, and the settings that follow from it."""

    trials: tuple[Trial, ...]
    chosen: IndexSpec
    questions: int


def choose_settings(
    corpus: Corpus,
    examples: ExampleSet,
    spec: IndexSpec,
    name: str,
    load: Callable[[str], Encoder] = load_encoder,
) -> SettingsSearch:
    """Measure the settings that the spec lists under `try_`, without a model that answers.

    Each chunking is built once, beside the index of this name, and removed afterwards. Chosen
    are the chunk size and alpha of the highest nDCG@10 (of equal ones those in the spec, else
    the smaller), then the smallest k whose recall is within `WITHIN` of the best. Searches are
    as the spec says, reranker included, without threshold and neighbours: those do not change
    which documents are found.

    Raises:
        InputError: no dev question has a known source, or a chunk is longer than the encoder
            reads.
    """
    if not (spec.try_chunk_tokens or spec.try_alpha or spec.try_k):
        return SettingsSearch(trials=(), chosen=spec, questions=0)
    questions = known_sources(examples)
    if not questions:
        raise InputError(
            "index.try_*", "no dev question names its source document", "at least one",
            "Name the documents of the questions, or choose the settings yourself.",
        )  # fmt: skip
    encoder = load(spec.encoder)
    _check_lengths(spec, encoder)
    trials: list[Trial] = []
    for tokens in _candidates(spec.try_chunk_tokens, spec.chunk_tokens):
        trials += _trials(corpus, questions, _with(spec, chunk_tokens=tokens), name, encoder)
    return SettingsSearch(
        trials=tuple(trials), chosen=settings_from(trials, spec), questions=len(questions)
    )


def _trials(
    corpus: Corpus, questions: Sequence[Question], spec: IndexSpec, name: str, encoder: Encoder
) -> Iterator[Trial]:
    """One chunking with every alpha and k. A dot is in no run's name, so no index is in the way."""
    aside = f"{name}.{spec.chunk_tokens}"
    backend = BACKENDS[spec.backend](aside)
    with alone(aside):
        try:
            searcher = Searcher(
                _built(backend, corpus, spec, aside, encoder), backend, lambda _: encoder
            )
            for alpha in _candidates(spec.try_alpha, spec.alpha):
                yield from _measured(searcher, questions, _with(spec, alpha=alpha))
        finally:
            _remove(backend, aside)


def _measured(
    searcher: Searcher, questions: Sequence[Question], spec: IndexSpec
) -> Iterator[Trial]:
    ks = _candidates(spec.try_k, spec.k)
    how = Search(k=max(DEPTH, *ks), mode=spec.mode, alpha=spec.alpha, reranker=spec.reranker)
    found = searcher.search([question.question for question in questions], how)
    ranked = [
        ([passage.document for passage in passages], str(question.document))
        for question, passages in zip(questions, found, strict=True)
    ]
    for k in ks:
        yield Trial(
            chunk_tokens=spec.chunk_tokens,
            alpha=spec.alpha,
            k=k,
            chunks=searcher.index.chunks,
            recall=_mean([recall_at(documents, source, k) for documents, source in ranked]),
            mrr=_mean([reciprocal_rank(documents, source) for documents, source in ranked]),
            ndcg=_mean([ndcg_at(documents, source, DEPTH) for documents, source in ranked]),
        )


def settings_from(trials: Sequence[Trial], spec: IndexSpec) -> IndexSpec:
    """The settings that follow from trials, laid over the spec: see `choose_settings`."""
    best = min(
        trials,
        key=lambda one: (
            -one.ndcg,
            one.chunk_tokens != spec.chunk_tokens,
            one.chunk_tokens,
            one.alpha != spec.alpha,
            one.alpha,
        ),
    )
    same = [t for t in trials if (t.chunk_tokens, t.alpha) == (best.chunk_tokens, best.alpha)]
    enough = max(one.recall for one in same) - WITHIN - 1e-9
    k = min(one.k for one in same if one.recall >= enough)
    return _with(
        spec, chunk_tokens=best.chunk_tokens, alpha=best.alpha, k=k,
        try_chunk_tokens=(), try_alpha=(), try_k=(),
    )  # fmt: skip


def _built(backend: Backend, corpus: Corpus, spec: IndexSpec, name: str, encoder: Encoder) -> Index:
    """An index that no name points at: to be searched through its address alone."""
    collection = collection_name(name, digest.of_json([spec.chunk_tokens, encoder.sha]))
    sha = digest.of_json([corpus.documents.sha, collection])
    job = Job(
        corpus, spec, name, lambda _: encoder, backend, collection, encoder.sha, sha, {}, None
    )
    manifest = filled(job).manifest
    return Index(
        name=name, backend=spec.backend, uri=backend.uri, sha=sha, corpus=corpus.documents.sha,
        address=backend.commit(collection, "{}"), encoder=spec.encoder,
        encoder_sha=encoder.weights, embedded_by=encoder.sha, dimension=encoder.dimension,
        chunk_tokens=spec.chunk_tokens, chunks=len(manifest), bytes=0,
    )  # fmt: skip


def _remove(backend: Backend, name: str) -> None:
    for address in backend.records(name):
        backend.drop(address)
    for collection in backend.collections(name):
        backend.drop(collection)


def _check_lengths(spec: IndexSpec, encoder: Encoder) -> None:
    longest = max(_candidates(spec.try_chunk_tokens, spec.chunk_tokens))
    if longest > encoder.max_tokens:
        raise InputError(
            "index.try_chunk_tokens", longest, f"at most {encoder.max_tokens}",
            f"{spec.encoder} reads no further: choose shorter chunks or another encoder.",
        )  # fmt: skip


def _candidates(listed: Sequence[Number], present: Number) -> list[Number]:
    return sorted(set(listed)) or [present]


def _with(spec: IndexSpec, **changed: object) -> IndexSpec:
    return spec.model_copy(update=changed)


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 6)

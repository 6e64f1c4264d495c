"""Settings by measurement, on a real index and encoder."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tasks.artifacts import Corpus, ExampleSet, Question, Search
from tasks.core.errors import InputError
from tasks.retrieval.backend import BACKENDS
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.retrieval.index import build, latest
from tasks.retrieval.search import open_index
from tasks.retrieval.settings import Trial, choose_settings, settings_from
from tasks.run import IndexSpec
from tasks.store import put_rows
from tests.corpora import corpus_of
from tests.tasks.retrieval.town import TOWN

TEXTS = TOWN | {
    "guild": " ".join(f"Room {n} of the guild shows knot number {n}." for n in range(30)),
}
ASKED = {
    "Who trims the wick of the lamp?": "lamp",
    "What does a crossing cost?": "ferry",
    "When is the oven fired?": "bread",
    "Which knot is shown in room 7?": "guild",
    "Which loaves are sold at dusk by the keeper?": "bread",
}
TRIED = IndexSpec(
    chunk_tokens=64, try_chunk_tokens=(64, 32, 32), try_alpha=(0.0, 1.0), try_k=(5, 1, 2)
)


class Noting:
    """The real encoder with a note of what it was given."""

    def __init__(self) -> None:
        self.documents: list[str] = []
        self.queries: list[str] = []

    def __call__(self, ref: str) -> Encoder:
        real = load_encoder(ref)

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            (self.documents if kind == "document" else self.queries).extend(texts)
            return real.encode(texts, kind)

        return replace(real, encode=encode)


@pytest.fixture
def corpus(home: Path) -> Corpus:
    return corpus_of(TEXTS)


def examples_of(asked: dict[str, str]) -> ExampleSet:
    dev = [
        Question(id=text, question=text, answers=("a",), document=document, split="dev")
        for text, document in asked.items()
    ]
    rest = [
        Question(id="u", question="unknown?", answers=(), answerable=False, split="dev"),
        Question(id="l", question="loose?", answers=("a",), split="dev"),
        Question(id="t", question="trained?", answers=("a",), document="lamp", split="train"),
    ]
    return ExampleSet(questions=put_rows([*dev, *rest]), counts=())


def left(name: str) -> list[str]:
    backend = BACKENDS["lancedb"](name)
    return [*backend.collections(name), *backend.records(name)]


def test_every_setting_is_tried_on_dev_questions_with_a_source(corpus: Corpus) -> None:
    noting = Noting()
    search = choose_settings(corpus, examples_of(ASKED), TRIED, "town", noting)
    tried = [(one.chunk_tokens, one.alpha, one.k) for one in search.trials]
    assert tried == list(product((32, 64), (0.0, 1.0), (1, 2, 5)))
    assert search.questions == len(ASKED)
    assert set(noting.queries) == set(ASKED)
    assert all(one.recall >= other.recall for one, other in zip(
        search.trials[1::3], search.trials[::3], strict=True
    ))  # fmt: skip
    chosen = search.chosen
    assert (chosen.try_chunk_tokens, chosen.try_alpha, chosen.try_k) == ((), (), ())
    assert chosen == settings_from(search.trials, TRIED)


def test_what_is_measured_is_what_an_index_of_these_settings_finds(corpus: Corpus) -> None:
    search = choose_settings(corpus, examples_of(ASKED), TRIED, "town")
    built = build(corpus, IndexSpec(chunk_tokens=32), "by-hand")
    found = open_index(built).search(list(ASKED), Search(k=10, mode="hybrid", alpha=1.0))
    ranks = [
        [one.document for one in passages].index(document) + 1
        for passages, document in zip(found, ASKED.values(), strict=True)
    ]
    trial = next(t for t in search.trials if (t.chunk_tokens, t.alpha, t.k) == (32, 1.0, 2))
    assert trial.chunks == built.chunks
    assert trial.recall == pytest.approx(sum(rank <= 2 for rank in ranks) / len(ranks))
    assert trial.mrr == pytest.approx(sum(1 / rank for rank in ranks) / len(ranks), abs=1e-6)


def test_each_chunking_is_built_once_and_gone_afterwards(corpus: Corpus) -> None:
    main = build(corpus, IndexSpec(chunk_tokens=64), "town")
    noting = Noting()
    search = choose_settings(corpus, examples_of(ASKED), TRIED, "town", noting)
    chunks = {one.chunk_tokens: one.chunks for one in search.trials}
    assert len(noting.documents) == sum(chunks.values())
    assert chunks[32] > chunks[64]
    assert left("town.32") == left("town.64") == []
    assert latest(main) == main
    assert open_index(main).search(["ferry"], Search(k=1))[0][0].document == "ferry"


def test_a_search_that_was_cut_short_leaves_nothing_and_works_again(corpus: Corpus) -> None:
    def failing(ref: str) -> Encoder:
        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            if kind == "query":
                raise KeyboardInterrupt
            return load_encoder(ref).encode(texts, kind)

        return replace(load_encoder(ref), encode=encode)

    with pytest.raises(KeyboardInterrupt):
        choose_settings(corpus, examples_of(ASKED), TRIED, "town", failing)
    assert left("town.32") == []
    assert choose_settings(corpus, examples_of(ASKED), TRIED, "town").trials


def test_with_nothing_to_try_nothing_is_built_and_nothing_changes(corpus: Corpus) -> None:
    def refuse(ref: str) -> Encoder:
        raise AssertionError(ref)

    spec = IndexSpec()
    search = choose_settings(corpus, examples_of({}), spec, "town", refuse)
    assert (search.trials, search.chosen, search.questions) == ((), spec, 0)


def test_questions_without_sources_are_an_input_error(corpus: Corpus) -> None:
    with pytest.raises(InputError, match=r"index\.try_\*.*source document"):
        choose_settings(corpus, examples_of({}), TRIED, "town")


def test_chunks_longer_than_the_encoder_reads_are_refused_before_anything_is_built(
    corpus: Corpus,
) -> None:
    noting = Noting()
    longer = TRIED.model_copy(update={"try_chunk_tokens": (32, 400)})
    with pytest.raises(InputError, match=r"index\.try_chunk_tokens.*400.*at most 254"):
        choose_settings(corpus, examples_of(ASKED), longer, "town", noting)
    assert noting.documents == []


def trial(chunk_tokens: int, alpha: float, k: int, recall: float, ndcg: float) -> Trial:
    return Trial(
        chunk_tokens=chunk_tokens, alpha=alpha, k=k, chunks=9, recall=recall, mrr=0.5, ndcg=ndcg
    )


def picked(*trials: Trial) -> tuple[int, float, int]:
    chosen = settings_from(trials, IndexSpec(chunk_tokens=64, alpha=0.5, k=2))
    return chosen.chunk_tokens, chosen.alpha, chosen.k


def test_the_highest_gain_chooses_chunk_size_and_alpha() -> None:
    assert picked(trial(64, 0.5, 2, 0.9, 0.80), trial(96, 0.3, 2, 0.8, 0.81)) == (96, 0.3, 2)


def test_of_equal_gains_the_present_setting_stays_and_else_the_smaller_is_taken() -> None:
    assert picked(*(trial(c, 0.5, 2, 0.9, 0.8) for c in (32, 64, 96))) == (64, 0.5, 2)
    assert picked(*(trial(c, 0.5, 2, 0.9, 0.8) for c in (128, 96))) == (96, 0.5, 2)
    assert picked(*(trial(64, a, 2, 0.9, 0.8) for a in (0.2, 0.5, 0.7))) == (64, 0.5, 2)
    assert picked(*(trial(64, a, 2, 0.9, 0.8) for a in (0.7, 0.2))) == (64, 0.2, 2)


def test_the_smallest_k_within_a_hundredth_of_the_best_recall_is_taken() -> None:
    recalls = {1: 0.7, 2: 0.88, 4: 0.90, 8: 0.91}
    assert picked(*(trial(64, 0.5, k, r, 0.8) for k, r in recalls.items())) == (64, 0.5, 4)
    others = trial(32, 0.5, 1, 1.0, 0.7)  # of another chunk size: does not count
    assert picked(others, *(trial(64, 0.5, k, r, 0.8) for k, r in recalls.items())) == (64, 0.5, 4)

"""A hundred thousand passages with realistic vectors, in the time it takes to embed a few thousand.

Each passage is two sentences of real prose, the second among the first one's nearest. Its vector
is a mixture of the two real ones with a little noise, so that neighbourhoods are as crowded, and
directions as few, as those of real texts. `real=True` embeds every passage instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.artifacts import Corpus, Document
from tasks.core import digest
from tasks.retrieval.encoding import Encoder, Kind, Vectors, load_encoder
from tasks.run import IndexSpec
from tasks.store import put_rows
from tests.benchmarks.harbour import questions
from tests.benchmarks.index_lab import sentences

REF = IndexSpec().encoder
TOKENS = 250  # no passage is longer: each document is one chunk
NEAREST = 40
NOISE = 0.15  # length of what is added to a vector of length 1
SEED = 7


@dataclass(frozen=True)
class Crowd:
    """Texts with their vectors, and questions with theirs; all vectors have length 1."""

    texts: tuple[str, ...]
    vectors: Vectors
    asked: tuple[str, ...]
    asked_vectors: Vectors

    def first(self, count: int) -> "Crowd":
        """The same with fewer texts."""
        return replace(self, texts=self.texts[:count], vectors=self.vectors[:count])

    def corpus(self) -> Corpus:
        """A document for each text; its id is the text's number."""
        documents = (
            Document(id=str(at), title="", text=text, source=f"{at}.md", sha=digest.of_text(text))
            for at, text in enumerate(self.texts)
        )
        return Corpus(documents=put_rows(documents), count=len(self.texts))

    def loader(self) -> Callable[[str], Encoder]:
        """An encoder that looks these vectors up."""
        rows = dict(zip(self.asked, self.asked_vectors, strict=True))
        rows |= dict(zip(self.texts, self.vectors, strict=True))

        def encode(texts: Sequence[str], kind: Kind) -> Vectors:
            return np.stack([rows[text] for text in texts])

        encoder = replace(load_encoder(REF), encode=encode, count=lambda text: len(text) // 8)
        return lambda ref: encoder

    def nearest(self, k: int) -> tuple[list[set[int]], Vectors]:
        """Which texts are the k nearest of each question, and the cosine of the k-th."""
        cosines = self.asked_vectors @ self.vectors.T
        best = np.argpartition(-cosines, k, axis=1)[:, :k]
        least = np.take_along_axis(cosines, best, axis=1).min(axis=1)
        return [set(map(int, row)) for row in best], least


def make(count: int, asked: int, real: bool) -> Crowd:
    """Passages and questions; half of the questions are the example's, half are sentences."""
    random, encode = np.random.default_rng(SEED), load_encoder(REF).encode
    prose = sentences()
    known = encode(prose, "document")
    near = _nearest(known)
    one = random.integers(len(prose), size=count)
    other = near[one, random.integers(NEAREST, size=count)]
    texts = tuple(
        f"{prose[a]} {prose[b]} ({at})" for at, (a, b) in enumerate(zip(one, other, strict=True))
    )
    if real:
        vectors = encode(texts, "document")
    else:
        weight = random.uniform(0.3, 0.7, size=(count, 1)).astype(np.float32)
        vectors = _unit(weight * known[one] + (1 - weight) * known[other])
        noise = _unit(random.normal(size=vectors.shape).astype(np.float32))
        vectors = _unit(vectors + NOISE * noise)
    words = [" ".join(prose[at].split()[:12]) for at in random.integers(len(prose), size=asked)]
    example = [question.question for question in questions()]
    mixed = dict.fromkeys((*example[: asked // 2], *words))
    chosen = tuple(mixed)[:asked]
    return Crowd(texts, vectors, chosen, encode(chosen, "query"))


def _nearest(vectors: Vectors) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """The `NEAREST` nearest others of each, in no order; (n, NEAREST)."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    return np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]


def _unit(vectors: Vectors) -> Vectors:
    made: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return made

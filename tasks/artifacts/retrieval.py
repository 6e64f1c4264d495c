"""A built index, how it is searched, and what it finds."""

from pydantic import Field

from tasks.artifacts.base import SCHEMA_VERSION, SearchMode, Value


class Index(Value):
    """A built retrieval index; `address` is where its backend holds it, `sha` what it holds.

    `sha` names content and settings, `embedded_by` the encoder's weights, device and dtype. `uri`
    is the folder that a LanceDB index is opened from; of a Weaviate index it tells people which
    server held it: the connection comes from the environment.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    backend: str
    uri: str
    address: str
    sha: str
    corpus: str
    encoder: str
    encoder_sha: str
    embedded_by: str
    dimension: int
    chunk_tokens: int
    chunks: int
    bytes: int

    def content(self) -> str:
        """What it holds, wherever its backend holds it."""
        return self.sha


class Search(Value):
    """How an index is searched.

    `alpha` is the weight of vector search in hybrid mode; the `neighbours` chunks on either side
    of a hit are joined to it; where the best cosine is below `min_similarity`, nothing is found;
    `reranker` is a cross-encoder, by reference.
    """

    k: int
    mode: SearchMode = "vector"
    alpha: float = 0.5
    neighbours: int = 0
    min_similarity: float | None = None
    reranker: str | None = None


class Retrieval(Search):
    """How a system retrieves: from which index, by which search and which reranker's weights."""

    index: Index
    reranker_sha: str | None = None


class Passage(Value):
    """A retrieved chunk with what a citation needs; `score` is higher for better.

    `last` is the position of the last chunk where several were joined, None where it is one;
    `tags` are the document's, and the label where the document is a labelled example.
    """

    document: str
    title: str
    position: int
    text: str
    score: float
    sha: str
    source: str = ""
    last: int | None = None
    tags: tuple[str, ...] = Field((), exclude_if=lambda tags: not tags)

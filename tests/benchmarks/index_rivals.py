"""LlamaIndex and Haystack building the same index, each by its documented way.

Loading an encoder is not timed, as loading ours is not: each function here returns one that
builds from a folder and gives the number of passages that can be found.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tasks.machine import device_and_dtype
from tasks.models.references import weights_folder
from tasks.retrieval.encoding import load_encoder
from tasks.retrieval.weaviate_client import address, connect_weaviate
from tasks.services import services

Contestant = Callable[[Path, Path], int]  # files, an empty folder: passages

os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")


def title(path: str | Path) -> str:
    """A Markdown file's first line without its mark."""
    return Path(path).read_text(encoding="utf-8").partition("\n")[0].strip("# ")


def llama_index(encoder: str, tokens: int, store: str, batch: int | None) -> Contestant:
    """LlamaIndex into LanceDB or Weaviate, as it comes or with our dtype and this batch size."""
    from llama_index.embeddings.huggingface import HuggingFaceEmbedding

    device, dtype = device_and_dtype()
    given: dict[str, Any] = {"model_name": str(weights_folder(encoder)), "device": device}
    if batch is not None:
        given |= {"embed_batch_size": batch, "model_kwargs": {"dtype": dtype}}
    embedding = HuggingFaceEmbedding(**given)

    def build(folder: Path, target: Path) -> int:
        from llama_index.core import SimpleDirectoryReader, StorageContext, VectorStoreIndex
        from llama_index.core.node_parser import SentenceSplitter

        count = load_encoder(encoder).count
        splitter = SentenceSplitter(
            chunk_size=tokens, chunk_overlap=0, tokenizer=lambda text: range(count(text))
        )
        vectors, found = (_llama_lancedb if store == "lancedb" else _llama_weaviate)(target)
        VectorStoreIndex.from_documents(
            SimpleDirectoryReader(
                str(folder), file_metadata=lambda path: {"title": title(path)}
            ).load_data(),
            storage_context=StorageContext.from_defaults(vector_store=vectors),
            embed_model=embedding,
            transformations=[splitter],
        )
        return found()

    return build


def _llama_lancedb(target: Path) -> tuple[Any, Callable[[], int]]:
    import lancedb
    from llama_index.vector_stores.lancedb import LanceDBVectorStore

    return (
        LanceDBVectorStore(uri=str(target)),
        lambda: int(lancedb.connect(target).open_table("vectors").count_rows()),
    )


def _llama_weaviate(target: Path) -> tuple[Any, Callable[[], int]]:
    from llama_index.vector_stores.weaviate import WeaviateVectorStore

    store = WeaviateVectorStore(weaviate_client=connect_weaviate(), index_name=_own("Llama"))
    return store, lambda: _counted_and_dropped(store.index_name)


def haystack(encoder: str, tokens: int, batch: int | None) -> Contestant:
    """Haystack into Weaviate, as it comes or with our dtype and this batch size.

    Its splitter counts words: as many of the corpus's as make `tokens` on average, title aside.
    """
    from haystack_integrations.components.embedders.sentence_transformers import (
        SentenceTransformersDocumentEmbedder,
    )

    given: dict[str, Any] = {} if batch is None else {"batch_size": batch}
    if batch is not None:
        given["model_kwargs"] = {"dtype": device_and_dtype()[1]}
    embedder = SentenceTransformersDocumentEmbedder(
        model=str(weights_folder(encoder)), meta_fields_to_embed=["title"], progress_bar=False,
        local_files_only=True, **given,
    )  # fmt: skip
    embedder.warm_up()

    def build(folder: Path, target: Path) -> int:
        from haystack.components.converters import TextFileToDocument
        from haystack.components.preprocessors import DocumentSplitter
        from haystack.components.writers import DocumentWriter

        files = sorted(folder.glob("*.md"))
        splitter = DocumentSplitter(split_by="word", split_length=_words(encoder, tokens))
        store = _haystack_store(name := _own("Haystack"))
        read = TextFileToDocument().run(
            sources=list(files), meta=[{"title": title(file)} for file in files]
        )
        split = splitter.run(documents=read["documents"])
        DocumentWriter(store).run(embedder.run(split["documents"])["documents"])
        store.client.close()
        return _counted_and_dropped(name)

    return build


def _haystack_store(name: str) -> Any:
    from haystack_integrations.document_stores.weaviate import AuthApiKey, WeaviateDocumentStore

    settings = services()
    return WeaviateDocumentStore(
        url=settings.weaviate_url,
        collection_settings={"class": name},
        auth_client_secret=AuthApiKey() if settings.weaviate_api_key else None,
        grpc_port=address(settings).grpc_port,
    )


@cache
def _words(encoder: str, tokens: int) -> int:
    """How many words of the example's prose have so many tokens with a title on average."""
    from tests.benchmarks.index_lab import sentences

    count, some = load_encoder(encoder).count, sentences()[:500]
    share = sum(map(count, some)) / sum(len(one.split()) for one in some)
    return round((tokens - 6) / share)  # titles of the example have 3 to 6 tokens


def _own(name: str) -> str:
    import uuid

    return f"{name}_{uuid.uuid4().hex}"


def _counted_and_dropped(collection: str) -> int:
    """What a collection holds; it is removed, so that each build begins with an empty store."""
    held = connect_weaviate().collections.use(collection)
    count = held.aggregate.over_all(total_count=True).total_count or 0
    connect_weaviate().collections.delete(collection)
    return int(count)

"""Texts to unit vectors, with a sentence encoder that runs on this machine."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tasks.core import digest
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.references import weights_digest, weights_folder
from tasks.progress import progress

Vectors: TypeAlias = NDArray[np.float32]
Kind: TypeAlias = Literal["document", "query"]

# Passages of about 70 tokens in bf16 on two CPU cores: 1.1 times as fast as 32, which is as fast
# as 64; 128 is slower. Two batches at once, each on one core: 1.2 to 1.4 times as fast as 32.
BATCH = 16
_at_once = Lock()


@dataclass(frozen=True)
class Encoder:
    """A loaded sentence encoder: two functions, and what identifies the numbers it gives.

    `encode(texts, kind)` returns float32 of shape (n, dimension), rows of length 1, in the
    order of `texts`; `kind` picks the prefix that some encoders put before queries or
    documents. Only the first `max_tokens` tokens of a text count. `count(text)` is its number
    of tokens without special ones. `weights` names the weights alone, `sha` also the device
    and dtype: vectors of equal `sha` may stand in one index.
    """

    ref: str
    weights: str
    sha: str
    dimension: int
    max_tokens: int
    encode: Callable[[Sequence[str], Kind], Vectors]
    count: Callable[[str], int]


@lru_cache(maxsize=2)
def load_encoder(ref: str) -> Encoder:
    """Load an encoder from its local folder; safetensors only, no code from the folder is run.

    Raises:
        InputError: the reference is unknown or has no weights in safetensors.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    device, dtype = device_and_dtype()
    model = SentenceTransformer(
        str(weights_folder(ref)),
        device=device,
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"dtype": dtype, "use_safetensors": True},
    )
    model.eval()
    special = model.tokenizer.num_special_tokens_to_add()
    count = _counter(model.tokenizer)

    def encode(texts: Sequence[str], kind: Kind) -> Vectors:
        prefix = (model.prompts or {}).get(kind) or ""
        return _encoded(model, [prefix + text for text in texts])

    return Encoder(
        ref=ref,
        weights=weights_digest(ref),
        sha=encoder_sha(ref),
        dimension=int(model.get_embedding_dimension()),
        max_tokens=int(model.max_seq_length) - special,
        encode=encode,
        count=count,
    )


def encoder_sha(ref: str) -> str:
    """What an encoder's vectors depend on, known without loading it."""
    return digest.of_json([weights_digest(ref), device_and_dtype()[0], dtype_name()])


def _counter(tokenizer: Any) -> Callable[[str], int]:
    """Count tokens on a copy: the encoder's own tokenizer pads and cuts what it is given."""
    from tokenizers import Tokenizer

    bare = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    bare.no_padding()
    bare.no_truncation()
    return lambda text: len(bare.encode(text, add_special_tokens=False).ids)


def _encoded(model: Any, texts: list[str]) -> Vectors:
    """Tokenise once, run batches of similar length, longest first, and undo the sorting."""
    import torch

    vectors = np.empty((len(texts), int(model.get_embedding_dimension())), np.float32)
    if not texts:
        return vectors
    tokens = model.tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]
    order = sorted(range(len(texts)), key=lambda at: -len(tokens[at]))
    batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]

    @torch.inference_mode()
    def embed(batch: list[int]) -> Vectors:
        padded = model.tokenizer.pad(
            {"input_ids": [tokens[at] for at in batch]}, return_tensors="pt"
        )
        features = {name: tensor.to(model.device) for name, tensor in padded.items()}
        pooled = model(features)["sentence_embedding"].float()
        # Normalised in float32: rows that were normalised in bf16 are up to 0.4% too long.
        rows: Vectors = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return rows

    with (
        progress("embedding", len(texts)) as advance,
        closing(_embedded(embed, batches, model.device.type)) as made,
    ):
        for batch, rows in zip(batches, made, strict=True):
            vectors[batch] = rows
            advance(len(batch))
    return vectors


def _embedded(
    embed: Callable[[list[int]], Vectors], batches: Sequence[list[int]], device: str
) -> Generator[Vectors, None, None]:
    """Each batch's vectors; on a CPU as many batches at once as torch has threads.

    Batches this small keep cores busier one each than all on one. Torch's number of threads is
    the process's, so that only one call at a time may lower it.
    """
    import torch

    if device != "cpu" or len(batches) == 1:
        yield from map(embed, batches)
        return
    with _at_once:
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        try:
            yield from pool.map(embed, batches)
        finally:
            pool.shutdown(cancel_futures=True)
            torch.set_num_threads(threads)

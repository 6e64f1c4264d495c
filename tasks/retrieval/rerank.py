"""A cross-encoder reads question and passage together and orders what a search found."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from tasks.artifacts import Passage
from tasks.core import digest
from tasks.core.errors import InputError
from tasks.machine import device_and_dtype
from tasks.models.references import weights_digest, weights_folder
from tasks.progress import progress

BATCH = 64  # all candidates of a question, as a rule, in one batch

Score: TypeAlias = Callable[[str, Sequence[str]], list[float]]


def reranked(
    ref: str, queries: Sequence[str], ranked: Sequence[Sequence[Passage]]
) -> list[list[Passage]]:
    """Each query's passages by the cross-encoder's score, best first; equal ones keep their order.

    The score is the model's output as it is (a logit), rounded to six decimals.
    """
    score = load_reranker(ref)
    found = []
    with progress("reranking", len(queries)) as advance:
        for query, passages in zip(queries, ranked, strict=True):
            scores = score(query, [passage.text for passage in passages])
            rescored = [
                passage.model_copy(update={"score": round(value, 6)})
                for passage, value in zip(passages, scores, strict=True)
            ]
            found.append(sorted(rescored, key=lambda passage: -passage.score))
            advance(1)
    return found


@lru_cache(maxsize=2)
def load_reranker(ref: str) -> Score:
    """Load a cross-encoder; safetensors only, no code from its folder is run.

    Raises:
        InputError: the reference is unknown, has no weights in safetensors, or is no model that
            gives one score to a pair of texts.
    """
    import torch
    from sentence_transformers import CrossEncoder
    from transformers.utils import logging

    folder = reranker_folder(ref)
    logging.disable_progress_bar()
    device, dtype = device_and_dtype()
    model = CrossEncoder(
        str(folder),
        device=device,
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"dtype": dtype, "use_safetensors": True},
    )
    model.eval()

    def score(query: str, texts: Sequence[str]) -> list[float]:
        if not texts:
            return []
        pairs = [(query, text) for text in texts]
        # The logits themselves: a sigmoid would make the best ones equal.
        logits = model.predict(
            pairs, batch_size=BATCH, show_progress_bar=False,
            activation_fn=torch.nn.Identity(), convert_to_tensor=True,
        )  # fmt: skip
        return [float(value) for value in logits.float().cpu()]

    return score


def reranker_sha(ref: str) -> str:
    """Digest of a cross-encoder's configuration and of what its weight files hold."""
    files = sorted(reranker_folder(ref).glob("*.safetensors"))
    stamps = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
    return digest.of_json([weights_digest(ref), [_file_sha(*stamp) for stamp in stamps]])


@lru_cache(maxsize=64)
def _file_sha(path: Path, changed: int, size: int) -> str:
    """A file's digest; its time of change and size say whether a known one still holds."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def reranker_folder(ref: str) -> Path:
    """The folder of a cross-encoder; other models would get a head of random weights."""
    try:
        folder = weights_folder(ref)
    except InputError as error:
        raise InputError("index.reranker", error.value, error.allowed, error.remedy) from error
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kinds = config.get("architectures") or ["no architecture"]
    outputs = len(config.get("id2label") or ("LABEL_0", "LABEL_1"))
    if not kinds[0].endswith("ForSequenceClassification") or outputs != 1:
        raise InputError(
            "index.reranker", f"{ref} ({kinds[0]}, {outputs} outputs)",
            "a cross-encoder: a model for sequence classification with one output",
            "Name one, or remove the key.",
        )  # fmt: skip
    return folder

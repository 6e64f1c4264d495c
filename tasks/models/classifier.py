"""An encoder behind the calls of an answerer: its head chooses labels, it writes nothing."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import torch

from tasks.artifacts import Adapter, Messages
from tasks.core.errors import InputError
from tasks.machine import device_and_dtype
from tasks.models.batches import longest_first, timed
from tasks.models.kinds import cannot_write
from tasks.models.loading import merged
from tasks.models.outputs import Choice, Generation, Likelihood
from tasks.models.references import weights_folder
from tasks.models.weights import check_base, check_vocabulary, load_body, load_whole
from tasks.store import local_folder


class Classifier:
    """An encoder with its tokenizer and, where it was tuned, a head over labels.

    Weights are fp32, computed with in the dtype that is here: as small as encoders are, a copy of
    half the size is not worth its rounding. Without a head nothing is loaded.
    """

    def __init__(self, ref: str, model: Any = None, tokenizer: Any = None) -> None:
        self.ref, self.model, self.tokenizer = ref, model, tokenizer

    def render(self, messages: Messages) -> str:
        """The text to classify: the last message. Instructions are nothing to an encoder."""
        return messages[-1][1]

    def plain(self, text: str) -> str:
        """The text to classify, as it stands."""
        return text

    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        batch_size: int = 32,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
        stop: str = "\n",
    ) -> list[Generation]:
        """Refuse: an encoder writes nothing."""
        self._refuse("generation")

    def score(
        self, prompts: Sequence[str], continuations: Sequence[str], batch_size: int = 32,
        step: str = "",
    ) -> list[Likelihood]:  # fmt: skip
        """Refuse: an encoder does not tell how likely a text goes on."""
        self._refuse("scoring of texts")

    def _refuse(self, task: str) -> NoReturn:
        raise cannot_write(self.ref, task)

    @torch.inference_mode()
    def choose(
        self,
        prompts: Sequence[str],
        options: Sequence[str],
        batch_size: int = 32,
        step: str = "",
        timings: list[float] | None = None,
        names: Sequence[str] = (),
    ) -> list[Choice]:
        """How likely the head takes each label to be that of each text, in order."""
        if self.model is None:
            raise InputError(
                "models.ref", self.ref, "an encoder with a head over the labels",
                "Tune it, or let its neighbours vote alone (path rag).",
            )  # fmt: skip
        ids = token_ids(self.model, self.tokenizer, prompts, names)
        places = [self.model.config.label2id[option] for option in options]

        def chosen(batch: list[int]) -> list[list[float]]:
            chances = self._logits([ids[i] for i in batch]).log_softmax(-1)
            return [[row[place] for place in places] for row in chances.tolist()]

        lengths = [len(row) for row in ids]
        found = longest_first(lengths, timed(chosen, timings), batch_size, step or "choosing")
        return [Choice(tuple(row), n, 0) for row, n in zip(found, lengths, strict=True)]

    def _logits(self, rows: list[list[int]]) -> torch.Tensor:
        device, dtype = device_and_dtype()
        batch = self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(device)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            logits: torch.Tensor = self.model(**batch).logits.float()
        return logits


def token_ids(
    model: Any, tokenizer: Any, texts: Sequence[str], names: Sequence[str] = (),
    limit: int | None = None,
) -> list[list[int]]:  # fmt: skip
    """Token ids of texts with the special ones around them; `names` are told where one is long.

    Raises:
        InputError: a text has more tokens than the model's positions, or than `limit`.
    """
    if not texts:  # which a tokenizer refuses
        return []
    ids: list[list[int]] = tokenizer(list(texts), truncation=False, padding=False)["input_ids"]
    most = min(positions(model), limit or positions(model))
    at = max(range(len(ids)), key=lambda i: len(ids[i]))
    if len(ids[at]) > most:
        raise InputError(
            f"text of {names[at]}" if names else "text", f"{len(ids[at])} tokens",
            f"at most {most} tokens for this encoder and training.max_tokens",
            "Shorten it, or name a model that reads longer texts.",
        )  # fmt: skip
    return ids


def positions(model: Any) -> int:
    """The longest text that an encoder reads, in tokens; without bound where no table ends it.

    RoBERTa's first position is the one after its padding's, so that some are never used.
    """
    for part in model.base_model.modules():
        table = getattr(part, "position_embeddings", None)
        if isinstance(table, torch.nn.Embedding):
            unused = 0 if table.padding_idx is None else table.padding_idx + 1
            return int(table.num_embeddings) - unused
    return int(getattr(model.config, "max_position_embeddings", 0)) or 2**31


@lru_cache(maxsize=1)
def load_classifier(ref: str, adapter: Adapter | None = None) -> Classifier:
    """Load an encoder with the head that was tuned; without one there is nothing to load.

    Raises:
        InputError: weights, tokenizer or what was tuned don't fit together.
    """
    if adapter is None:
        return Classifier(ref)
    from transformers import AutoModelForSequenceClassification

    base, tuned = weights_folder(ref), local_folder(adapter.blob)
    check_base(ref, tuned)
    if adapter.rank is None:
        model = load_whole(AutoModelForSequenceClassification, tuned, ref, dtype=torch.float32)
        check_vocabulary(ref, model, tokenizer := _tokenizer(base))
    else:
        model, tokenizer = with_head(ref, _labels(tuned))
        model = merged(model, tuned)
    return Classifier(ref, model.to(device_and_dtype()[0]).eval(), tokenizer)


def with_head(ref: str, labels: Sequence[str]) -> tuple[Any, Any]:
    """An encoder in fp32 under a new head over labels, and its tokenizer; for tuning.

    Raises:
        InputError: weights and tokenizer don't fit together.
    """
    from transformers import AutoModelForSequenceClassification

    folder = weights_folder(ref)
    names = dict(enumerate(labels))
    model = load_body(
        AutoModelForSequenceClassification, folder, ref, dtype=torch.float32, id2label=names,
        label2id={label: number for number, label in names.items()},
    )  # fmt: skip
    tokenizer = _tokenizer(folder)
    check_vocabulary(ref, model, tokenizer)
    return model, tokenizer


def _labels(folder: Path) -> list[str]:
    """The labels of a tuned head, in the order of its outputs."""
    held = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
    return [held[number] for number in sorted(held, key=int)]


def _tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)

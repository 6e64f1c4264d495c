"""A machine whose memory holds two rows of a batch."""

from typing import Any

import pytest
import torch

from tasks.training.trainer import AnswerTrainer


@pytest.fixture
def tried_sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches that are tried; with more than two rows memory runs out."""
    real, sizes = AnswerTrainer.training_step, list[int]()

    def small(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.cuda.OutOfMemoryError("no room")
        return real(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(AnswerTrainer, "training_step", small)
    return sizes

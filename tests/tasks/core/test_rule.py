import pytest

from tasks.core.errors import InputError
from tasks.core.rule import Thresholds, size_class, size_rule


@pytest.mark.parametrize(
    ("name", "params", "open_weights", "expected"),
    [
        ("SmolLM2-135M", 135e6, True, "small"),
        ("Llama-2-7B", 7e9, True, "mid"),
        ("Falcon-7B", 7e9, True, "mid"),
        ("Zephyr-7B-beta", 7e9, True, "small"),
        ("Orca-2-13B", 13e9, True, "small"),
        ("exactly-mid", 3e9, True, "mid"),
        ("exactly-large", 1e12, True, "large"),
        ("gpt-4o", None, False, "large"),
        ("hosted-8B", 8e9, False, "large"),
        ("mystery", None, True, "mid"),
    ],
)
def test_models_are_classed_by_weights_then_name_then_size(
    name, params, open_weights, expected
) -> None:
    assert size_class(name, params, open_weights=open_weights) == expected


def test_an_encoder_of_unknown_size_is_small() -> None:
    assert size_class("mystery", None, open_weights=True, generates=False) == "small"
    assert size_class("mystery", 7e9, open_weights=True, generates=False) == "mid"


def test_thresholds_and_names_are_settings() -> None:
    own = Thresholds(mid_from=1e8, large_from=1e9, small_names=("tiny",))
    assert size_class("a", 2e8, open_weights=True, thresholds=own) == "mid"
    assert size_class("a", 2e9, open_weights=True, thresholds=own) == "large"
    assert size_class("Tiny-9B", 9e9, open_weights=True, thresholds=own) == "small"
    assert size_class("zephyr", 2e9, open_weights=True, thresholds=own) == "large"


@pytest.mark.parametrize(
    ("size", "task", "options", "path"),
    [
        ("large", "question-answering", {}, "rag"),
        ("large", "classification", {}, "rag"),
        ("small", "question-answering", {}, "finetune"),
        ("small", "generation", {}, "finetune"),
        ("mid", "question-answering", {}, "finetune"),
        ("mid", "question-answering", {"memorization": False}, None),
        ("mid", "code", {"memorization": True}, "finetune"),
        ("mid", "generation", {}, "rag"),
        ("mid", "classification", {"niche": True}, "rag"),
        ("mid", "classification", {"niche": False}, None),
        ("mid", "classification", {}, None),
        ("mid", "code", {}, None),
    ],
)
def test_rule_says_what_was_handed_down_and_no_more(size, task, options, path) -> None:
    advice = size_rule(size, task, **options)
    assert advice.path == path
    assert advice.commits == (path is not None)


def test_uncommitted_rule_says_so() -> None:
    assert "does not commit for code" in size_rule("mid", "code").text


def test_unknown_class_is_refused() -> None:
    with pytest.raises(InputError, match="huge"):
        size_rule("huge", "code")

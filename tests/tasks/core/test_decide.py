import json
import math
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from tasks.core.decide import (
    Measured,
    Settings,
    Verdict,
    decide,
    measured_verdict,
)
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.rule import size_rule
from tasks.core.veto import Veto
from tests.tasks.core.contests import table, veto

NOTHING = Evidence(None, (), 0, 0, "no published result", ())


def test_clear_gain_wins() -> None:
    found = decide(table({"prompt": 0.3, "rag": 0.6}), (), Settings())
    assert (found.path, found.undecided, found.leader) == ("rag", False, "rag")
    assert found.questions_to_settle == 0
    assert found.margins[0].gain == pytest.approx(0.3)
    assert found.margins[0].claim
    assert "rag beats prompt by 0.300" in found.reasons[0]


def test_reasons_call_what_was_scored_by_its_name() -> None:
    examples = Settings(noun="example")
    for gap, said in ((0.0, "200 examples settle that"), (0.03, "more examples would settle it")):
        found = decide(table({"prompt": 0.5, "rag": 0.5 + gap}), (), examples)
        assert said in " ".join(found.reasons)
        assert "question" not in " ".join(found.reasons)


def test_costlier_path_must_beat_every_simpler_one() -> None:
    found = decide(table({"prompt": 0.3, "rag": 0.6, "finetune": 0.6}), (), Settings())
    assert found.path == "rag"


def test_the_best_mean_that_does_not_win_is_told_with_the_path_that_stops_it() -> None:
    found = decide(table({"prompt": 0.3, "rag": 0.6, "finetune": 0.61}), (), Settings())
    assert (found.path, found.leader) == ("rag", "finetune")
    (low,) = (one.low for one in found.margins if (one.path, one.over) == ("finetune", "rag"))
    assert found.reasons[-1].endswith(f"over rag it is at least {low:.3f}")


def test_a_path_that_may_be_worse_wins_although_the_simplest_has_the_best_mean() -> None:
    found = decide(table({"prompt": 0.6, "rag": 0.58}), (), Settings(min_gain=-0.5))
    assert (found.path, found.leader, len(found.reasons)) == ("rag", "prompt", 1)


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

"""What is told of the live scenarios: points lost, costs, the goal."""

from tests.benchmarks.decision.tables import Decided, Verdict, judged, overall_text, scenario_text

MEANS = {"prompt": 0.2, "rag": 0.5, "finetune": 0.4, "finetune+rag": 0.7}


def test_points_are_lost_against_the_rule_and_against_hindsight() -> None:
    rows = judged(
        [Verdict("a", "rag", 10), Verdict("b", "finetune+rag", 40), Verdict("c", "finetune", 0),
         Verdict("d", "rag", 5, 0.5, 0.55), Verdict("e", None, 0)],
        MEANS, 100, ("prompt", "rag", "finetune"), "rag",
    )  # fmt: skip
    assert [round(one.lost, 9) for one in rows] == [0, 30, 10, -5, 30]
    assert [round(one.behind, 9) for one in rows] == [0, 30, 10, -5, 30]
    assert [one.right for one in rows] == [True, False, False, True, False]
    assert [one.barred for one in rows] == [False, True, False, False, True]
    assert rows[1].cost == 0.4


def told(name: str, path: str) -> Decided:
    verdicts = [Verdict("budget 35%", path, 30), Verdict("everything measured", "rag", 100)]
    return Decided(name, "a case", 60, MEANS, 100, 0, judged(verdicts, MEANS, 100, MEANS, "rag"))


def test_the_goal_is_met_only_if_no_scenario_loses_much_and_gains_make_up_for_nothing() -> None:
    good = [told(f"s{at}", "rag") for at in range(19)]
    assert "met" in overall_text(good).splitlines()[-1]
    assert "missed" in overall_text([*good, told("bad", "finetune")]).splitlines()[-1]
    mixed = overall_text([told("a", "finetune+rag"), told("b", "finetune")])
    assert " 30%    5.0   10.0     0%         15.0" in mixed


def test_a_table_says_what_was_chosen_and_marks_what_is_right_and_what_is_barred() -> None:
    verdicts = [Verdict("size rule", "finetune", 0), Verdict("budget 20%", "rag", 20, 0.5, 0.6)]
    rows = judged(verdicts, MEANS, 100, ("prompt", "rag"), "rag")
    text = scenario_text(Decided("s", "a case", 60, MEANS, 100, 2, rows))
    assert "s: a case" in text
    assert "finetune                0%   30.0         30.0  barred" in text
    assert "rag on 50.0%           20%  -10.0        -10.0  right" in text
    assert "2 of its stages were computed by other code" in text

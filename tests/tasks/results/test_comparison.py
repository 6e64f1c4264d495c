"""Six dimensions on one page: each has its numbers, or says that they were not measured."""

from collections.abc import Callable

import pytest

from tasks.artifacts import Question, Scorecard
from tasks.core.stats import Interval
from tasks.results.comparison import render_comparison
from tasks.results.dimensions import DIMENSIONS, Measure, measures, on_front, paid_back
from tasks.results.record import RunRecord
from tasks.results.report import write_outputs
from tasks.store import put_rows


def by_name(record: RunRecord) -> dict[str, Measure]:
    return {one.name: one for one in measures(record, record.cards("dev"))}


def value(measure: Measure, path: str) -> float:
    seen = measure.seen[path]
    assert seen is not None
    return seen.value


def costing(record: RunRecord, **cost: float) -> RunRecord:
    """The same run with these costs of its tuned path."""
    cards = tuple(
        card.model_copy(update={"cost": card.cost | cost}) if card.system.adapter else card
        for card in record.scorecards
    )
    return record.model_copy(update={"scorecards": cards})


def test_every_dimension_has_measures_and_the_page_has_them_all(record: RunRecord) -> None:
    found = measures(record, record.cards("dev"))
    assert {one.dimension for one in found} == set(DIMENSIONS)
    page = "\n\n".join(render_comparison(record))
    for one in found:
        row = f"| {one.dimension} | {one.name} |"
        assert (row in page) == any(one.seen.values())
        assert one.name in page


def test_what_was_not_measured_says_so_and_is_best_at_nothing(record: RunRecord) -> None:
    fresh = by_name(record)["right on changed facts, the day after"]
    assert set(fresh.seen.values()) == {None}
    assert fresh.best == ()
    page = "\n\n".join(render_comparison(record))
    (told,) = (part for part in page.split("\n\n") if part.startswith("Not measured in this run"))
    assert "right on changed facts, the day after" in told
    assert "docs/obstacles.md" in told


def test_a_whole_processs_peak_ranks_nothing(record: RunRecord) -> None:
    found = by_name(record)
    peak = found["GiB of the whole process at its peak, answering"]
    assert peak.best == ()
    assert found["seconds a question"].best


def test_the_best_comes_first_and_those_whose_intervals_reach_it_follow() -> None:
    seen = {
        "prompt": Interval(0.2, 0.1, 0.3), "rag": Interval(0.5, 0.4, 0.6),
        "finetune": Interval(0.55, 0.45, 0.65), "finetune+rag": None,
    }  # fmt: skip
    assert Measure("d", "n", seen).best == ("finetune", "rag")
    assert Measure("d", "n", seen, least=True).best == ("prompt",)


def test_a_correct_answer_costs_its_share_of_all_questions(record: RunRecord) -> None:
    run = record.model_copy(update={"scorecards": tuple(
        card.model_copy(update={"metrics": card.metrics | {"contains": Interval(0.5, 0.4, 0.6)}})
        for card in record.scorecards
    )})  # fmt: skip
    found = by_name(run)
    assert value(found["seconds a question"], "prompt") == 0.2
    assert value(found["seconds a correct answer"], "prompt") == 0.4
    assert value(found["tokens a correct answer"], "prompt") == 84
    assert value(found["Wh a correct answer"], "prompt") == pytest.approx(0.2)


def test_documents_that_training_touched_are_told_apart(record: RunRecord) -> None:
    trained = Question(id="t", question="?", answers=("x",), document="d0", split="train")
    examples = record.examples.model_copy(update={"questions": put_rows([trained])})
    found = by_name(record.model_copy(update={"examples": examples}))
    assert value(found["on documents trained on"], "finetune+rag") == pytest.approx(0.95)
    assert found["on documents trained on"].seen["prompt"] is not None
    rest = value(found["on documents never trained on"], "finetune+rag")
    assert rest == pytest.approx((0.925 * 20 - 1.9) / 18)


def test_trainings_pay_back_against_the_untrained_path_that_costs_more(record: RunRecord) -> None:
    run = costing(record, train_seconds=90.0, train_energy_kwh=0.01, answer_seconds=2.0)
    seconds, energy = paid_back(run, run.cards("dev"))
    assert (seconds.path, seconds.over) == ("finetune+rag", "prompt")
    assert seconds.questions == pytest.approx(90 / (0.2 - 0.1))
    assert energy.questions is None  # a question takes as much
    page = "\n\n".join(render_comparison(run))
    assert "in seconds: its training pays back from 900 questions a month on" in page
    assert "in Wh: its training never pays back" in page


def test_the_front_names_what_nothing_beats(record: RunRecord) -> None:
    dev = record.cards("dev")
    assert [path for _, path in on_front(dev)] == ["finetune+rag"]  # as fast as prompt, and better
    assert on_front(costing(record, answer_seconds=8.0).cards("dev"))[0][1] == "prompt"


def test_a_winner_that_is_off_the_front_is_told_with_what_keeps_it_off(record: RunRecord) -> None:
    assert "The winner" not in render_comparison(record)[-1]  # finetune+rag, which is on it
    champion = record.outcome.champion
    assert champion is not None
    stays = champion.model_copy(update={"path": "prompt"})
    outcome = record.outcome.model_copy(update={"champion": stays})
    told = render_comparison(record.model_copy(update={"outcome": outcome}))[-1]
    assert (
        "The winner, `prompt` (token F1 0.150, 0.2 s), is off it because of `finetune+rag` "
        "(token F1 0.925, 0.2 s); what decides is a gain shown to exceed 0.02" in told
    )


def test_a_row_for_each_dimension_says_where_each_path_wins(record: RunRecord) -> None:
    page = "\n\n".join(render_comparison(record))
    assert "| accuracy | `finetune+rag`: all dev questions" in page
    assert "| dynamic knowledge | not measured |" in page


def test_the_page_is_a_file_of_its_own_and_part_of_the_report(record: RunRecord) -> None:
    folder = write_outputs(record)
    page = (folder / "comparison.md").read_text()
    assert page.startswith("# harbour: the comparison on one page\n\nWinner: ")
    body = page.split("\n\n![")[0]
    assert body[body.index("| dimension |") :] in (folder / "report.md").read_text()


def test_nothing_measured_is_no_page(record: RunRecord) -> None:
    assert render_comparison(record.model_copy(update={"scorecards": ()})) == []


def test_a_classification_counts_accuracy_as_correct(
    labelled: RunRecord, make_card: Callable[..., Scorecard]
) -> None:
    found = by_name(labelled)
    assert value(found["correct answers"], "finetune+rag") == pytest.approx(0.9)
    assert found["on sources never trained on"].seen["prompt"] is None  # macro-F1 is of all


def test_a_tuned_system_that_runs_already_is_not_told_to_have_trained_in_no_time(
    record: RunRecord,
) -> None:
    trained = by_name(record)["seconds to train"]
    assert trained.seen["finetune+rag"] is None  # its costs name no training
    assert value(trained, "prompt") == 0

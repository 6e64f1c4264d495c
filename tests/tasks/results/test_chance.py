"""Beside what paths score stands what one label for every text scores."""

from tasks.artifacts import SplitCount
from tasks.results.chance import chance_of, chance_text
from tasks.results.comparison import render_comparison
from tasks.results.plot import draw_quality_cost
from tasks.results.record import RunRecord, answers_of
from tasks.results.report import render_report
from tasks.store import put_rows

TOLD = (
    "Always answering `b`, the most frequent label in training: macro-F1 0.333, accuracy 0.500. "
    "Guessing evenly: accuracy 0.500."
)


def test_report_and_comparison_tell_the_level_of_chance(labelled: RunRecord) -> None:
    assert render_report(labelled).split("### By label")[0].count(TOLD) == 1
    assert TOLD in render_comparison(labelled)


def test_labels_that_are_equally_frequent_are_said_to_be(labelled: RunRecord) -> None:
    counts = tuple(SplitCount(split="train", kind=kind, count=5) for kind in "ab")
    examples = labelled.examples.model_copy(update={"counts": counts})
    even = labelled.model_copy(update={"examples": examples})
    told = chance_text(even, even.cards("dev"))
    assert told.startswith("Always answering `a`, one of the 2 most frequent labels in training:")


def test_chance_is_told_on_all_that_any_path_answered(labelled: RunRecord) -> None:
    prompt, tuned = labelled.cards("dev")
    rows = answers_of(prompt)[:3]  # two of label a
    blob = put_rows(rows)
    stopped = prompt.model_copy(update={"n": 3, "answers": {"uri": blob.uri, "digest": blob.sha}})
    for cards in ((stopped, tuned), (tuned, stopped)):
        chance = chance_of(labelled, cards)
        assert chance is not None
        assert chance.scores["accuracy"] == 0.5


def test_where_answers_are_no_labels_there_is_no_such_level(record: RunRecord) -> None:
    assert chance_of(record, record.cards("dev")) is None
    assert "Always answering" not in render_report(record)


def test_the_picture_has_a_level_line_at_chance(labelled: RunRecord) -> None:
    cards = labelled.cards("dev")
    drawn = [draw_quality_cost(cards, (), chance) for chance in (chance_of(labelled, cards), None)]
    levels = [{round(line.get_ydata()[0], 9) for line in one.axes[0].lines} for one in drawn]
    words = [{text.get_text() for text in one.legends[0].get_texts()} for one in drawn]
    assert [round(1 / 3, 9) in one for one in levels] == [True, False]
    assert ["one label always" in one for one in words] == [True, False]

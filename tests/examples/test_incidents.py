"""The incident reports: each summary in the house style, and true to its report."""

import re
from collections import Counter

from tasks.core.leakage import resembling
from tests.examples.texts import rows_of, told_apart

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
SUMMARY = re.compile(r"[^;]+(?:; [^;]+)?\. Cause: [^;]+; state: (?P<state>\w+)\.")
STATES = ("closed", "patched", "watched", "open")


def test_reports_are_of_a_length_to_be_summarised() -> None:
    assert len(rows_of("incidents")) == 195
    assert all(80 <= len(row["text"].split()) <= 160 for row in rows_of("incidents"))


def test_a_summary_has_the_form_of_the_house_and_at_most_35_words() -> None:
    for row in rows_of("incidents"):
        (summary,) = row["references"]
        found = SUMMARY.fullmatch(summary)
        assert found, row["id"]
        assert found["state"] == row["kind"]
        assert len(summary.split()) <= 35, row["id"]


def test_every_number_of_a_summary_stands_in_its_report() -> None:
    for row in rows_of("incidents"):
        said = set(NUMBER.findall(row["references"][0]))
        assert said <= set(NUMBER.findall(row["text"])), row["id"]


def test_every_name_in_a_summary_stands_in_its_report() -> None:
    for row in rows_of("incidents"):
        inside = re.findall(r"(?<=[a-z0-9,] )[A-Z]\w+", row["references"][0])
        assert all(name in row["text"] for name in inside), row["id"]


def test_an_unknown_cause_is_never_closed() -> None:
    for row in rows_of("incidents"):
        if "Cause: not known" in row["references"][0]:
            assert row["kind"] in ("watched", "open"), row["id"]
        assert (row["kind"] == "watched") <= ("Cause: not known" in row["references"][0])


def test_every_state_is_frequent_enough_to_stand_in_each_split() -> None:
    counts = Counter(row["kind"] for row in rows_of("incidents"))
    assert set(counts) == set(STATES)
    assert min(counts.values()) >= 10


def test_no_two_reports_and_no_two_summaries_are_alike() -> None:
    assert told_apart("incidents")
    said = [(row["id"], row["references"][0]) for row in rows_of("incidents")]
    assert all(one == other for one, other in resembling(said, 0.5))

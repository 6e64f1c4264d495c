"""Every example that has texts of its own is collected whole, and is enough to decide with."""

import pytest

from tasks.core.overlap import terms_in, terms_kept
from tasks.data.collect import check_enough, collect_for_task, read_questions
from tasks.run.reading import read_run
from tests.examples.texts import EXAMPLES, rows_of

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("name", ["tickets", "reviews", "glossary", "incidents"])
def test_an_example_is_collected_with_nothing_left_out_and_nothing_leaking(name: str) -> None:
    run = read_run(EXAMPLES / name / f"{name}.toml")
    examples = collect_for_task(run.task, EXAMPLES / name, run.data, run.seed)
    check_enough(examples, 0.02, 0.95)
    assert examples.dropped == ()
    assert len(read_questions(examples)) == len(rows_of(name))
    kinds = {split: {one.kind for one in examples.counts if one.split == split}
             for split in ("train", "dev", "test")}  # fmt: skip
    assert kinds["train"] == kinds["dev"] == kinds["test"]


def test_the_glossarys_references_keep_every_term_by_the_projects_own_metric() -> None:
    run = read_run(EXAMPLES / "glossary" / "glossary.toml")
    examples = collect_for_task(run.task, EXAMPLES / "glossary", run.data, run.seed)
    glossary = examples.constraints.glossary
    asked = [(one, terms_in(one.question, glossary)) for one in read_questions(examples)]
    assert sum(bool(terms) for _, terms in asked) == 221
    assert all(
        terms_kept(answer, terms) == 1.0 for one, terms in asked for answer in one.answers if terms
    )


def test_the_incidents_references_have_the_length_that_the_run_file_asks_for() -> None:
    run = read_run(EXAMPLES / "incidents" / "incidents.toml")
    most = run.answering.max_words
    assert most == 35
    assert all(len(row["references"][0].split()) <= most for row in rows_of("incidents"))

"""A build and its settings are told in numbers that a reader can check."""

import pytest

from tasks.results.record import RunRecord
from tasks.results.report import render_report
from tasks.retrieval.build_report import render_build, render_settings, summary
from tasks.retrieval.refresh import IndexBuild
from tasks.run import IndexSpec


@pytest.fixture
def build(indexed: RunRecord) -> IndexBuild:
    assert indexed.index is not None
    return indexed.index


def test_page_of_a_build_has_every_count_and_recall_before_and_after(build: IndexBuild) -> None:
    told = render_build(build)
    assert told.startswith("# Index harbour: 2 changed, 1 moved\n")
    assert f"Digest `old` before, `{build.index.sha}` now" in told
    for row in (
        "documents added | 0", "documents changed | 2", "documents removed | 0",
        "documents moved | 1", "documents kept | 9", "chunks written | 5", "chunks embedded | 3",
        "drift, repaired missing | 0", "canary recall before | 0.900",
        "canary recall after | 0.950", "seconds | 1.25", "bytes | 4,096",
    ):  # fmt: skip
        assert f"| {row} |" in told


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"changed": False}, "unchanged"),
        ({"before": None}, "built, 0 documents"),
        ({"report": {"rebuilt": True, "added": 12}}, "rebuilt, 12 documents"),
        ({"report": {"drift_missing": 3, "drift_extra": 1}}, "4 rows repaired"),
        ({"report": {}}, "the same documents, indexed again"),
    ],
)
def test_summary_says_what_was_done(build: IndexBuild, changes: dict, said: str) -> None:
    report = type(build.report)(**changes.pop("report", {"added": 0}))
    assert summary(build.model_copy(update={"report": report, **changes})) == said


def test_settings_that_were_tried_are_listed_and_the_chosen_one_marked(indexed: RunRecord) -> None:
    told = render_report(indexed).split("## How documents are found\n")[1].split("\n## ")[0]
    assert "Chunks of at most 64 tokens, alpha 0.5, k = 2, chosen on 20 dev questions" in told
    assert "| 32 | 0.5 | 2 | 0.800 | 0.710 | 0.700 |  |" in told
    assert "| 64 | 0.5 | 2 | 0.800 | 0.820 | 0.700 | chosen |" in told
    assert "when it was built: 2 changed, 1 moved" in told


def test_settings_of_the_run_file_need_no_table(indexed: RunRecord) -> None:
    assert indexed.plan.index is not None
    spec = IndexSpec(chunk_tokens=96)
    told = render_settings(indexed.plan.index.model_copy(update={"trials": (), "chosen": spec}))
    assert told == "Chunks of at most 96 tokens, alpha 0.5, k = 2, as the run file says."

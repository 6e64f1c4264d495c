"""The public sets' run files and tables, on rows made here in the sets' own forms."""

import csv
from pathlib import Path

import pytest

from tasks.artifacts import CorpusScore
from tasks.run.reading import read_run
from tests.benchmarks.public import DECODER, SETS, table, write
from tests.benchmarks.rows import VARIABLE, read_rows, write_rows
from tests.flows.finished import scorecard

BY_NAME = {one.name: one for one in SETS}


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two intents, three moods and some captions, a few of each."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    for part in ("train", "test"):
        with (tmp_path / f"banking77.{part}.csv").open("w", newline="") as stream:
            out = csv.writer(stream)
            out.writerow(("text", "category"))
            out.writerows(
                (f"{part} {n * 7919}", "card_lost" if n % 2 else "fee") for n in range(40)
            )
        moods = ("negative", "neutral", "positive")
        write_rows(
            tmp_path / f"tweet_sentiment.{part}.jsonl",
            [{"text": f"{part} {n * 7919}", "label": moods[n % 3]} for n in range(400)],
        )
    for part in ("train", "val"):
        write_rows(
            tmp_path / f"multi30k_en_de.{part}.jsonl",
            [{"source": f"{part} {n * 7919}", "target": f"Bild {n}"} for n in range(250)],
        )
    return tmp_path


@pytest.mark.parametrize("name", BY_NAME)
def test_a_run_file_can_be_read_and_trains_on_none_of_what_is_asked(rows: Path, name: str) -> None:
    runfile = write(BY_NAME[name], [DECODER], rows / name)
    run = read_run(runfile)
    assert (run.name, run.task) == (name, BY_NAME[name].task)
    written = read_rows(rows / name / "examples.jsonl")
    learnt = {row["text"] for row in written if row["split"] == "train"}
    asked = [row for row in written if row["split"] != "train"]
    assert {row["split"] for row in asked} == {"dev", "test"}
    assert len({row["text"] for row in asked}) == len(asked)
    assert not learnt & {row["text"] for row in asked}
    assert all(text.startswith("train") for text in learnt)


def test_a_table_has_every_path_and_what_others_published() -> None:
    card = scorecard("rag", 0.5)
    right = card.model_copy(update={"metrics": {"accuracy": card.metrics["f1"]}})
    shown = table(BY_NAME["banking77"], [right])
    assert "rag, dev           50.0 (40.0 to 60.0), n = 10" in shown
    assert "83.4" in shown
    assert "2003.04807" in shown
    score = CorpusScore(name="corpus BLEU", value=12.34, signature="x")
    shown = table(BY_NAME["multi30k"], [card.model_copy(update={"corpus": (score,)})])
    assert "rag, dev           12.3, n = 10" in shown

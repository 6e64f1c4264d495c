import json
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.artifacts import Scorecard
from tasks.core.errors import InputError
from tasks.results import publish
from tasks.results.publish import output_folder, read_scorecards, register_best
from tasks.results.record import RunRecord
from tasks.results.report import write_outputs
from tasks.services import services

Usage = namedtuple("Usage", "total used free")


def test_a_chosen_folder_is_taken_and_not_yet_made(home: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "deep" / "out"
    assert output_folder("harbour", chosen) == chosen
    assert not (tmp_path / "deep").exists()
    assert not home.exists()


def test_without_a_choice_the_folder_is_named_by_run_and_time(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = output_folder("harbour", None)
    assert folder.parent == tmp_path / "runs" / "harbour"
    assert len(folder.name) == len("20260101-120000")


@pytest.mark.usefixtures("home")
def test_an_output_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for chosen in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(InputError) as caught:
            output_folder("harbour", chosen)
        assert (caught.value.where, caught.value.value) == ("--output", str(chosen))


def test_a_home_below_a_file_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ADAPT_HOME", str(tmp_path / "file" / "home"))
    services.cache_clear()
    with pytest.raises(InputError) as caught:
        output_folder("harbour", tmp_path / "out")
    assert caught.value.where == "ADAPT_HOME"


@pytest.mark.usefixtures("home")
def test_a_disk_that_is_nearly_full_is_refused_with_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"left": 1 << 29}
    monkeypatch.setattr(publish.shutil, "disk_usage", lambda _: Usage(0, 0, free["left"]))
    with pytest.raises(InputError, match=r"0\.50 GiB free") as caught:
        output_folder("harbour", tmp_path / "out")
    assert caught.value.where == "--output"
    free["left"] = 1 << 30
    assert output_folder("harbour", tmp_path / "out")


def test_scorecards_are_read_back_as_they_were_written(record: RunRecord) -> None:
    folder = write_outputs(record)
    assert json.loads((folder / "scorecards.json").read_text())["schema_version"] == 1
    assert read_scorecards(folder) == record.scorecards


def test_nothing_measured_is_nothing_registered(
    record: RunRecord, make_card: Callable[..., Scorecard]
) -> None:
    advised = record.outcome.verdicts[1:]
    cards = record.scorecards
    assert register_best(record.run, record.corpus, record.examples, advised, cards) is None
    assert register_best(record.run, record.corpus, record.examples, (), ()) is None


def test_the_best_of_the_winners_on_dev_is_registered(
    record: RunRecord, make_card: Callable[..., Scorecard], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from tasks.results import register

    verdict = record.outcome.verdicts[0]
    win = next(c for c in record.cards("dev") if c.path == verdict.path)
    worse = make_card(win.system, [0.3, 0.4] * 10).model_copy(update={"model": "other"})
    tempting = make_card(win.system, [1.0] * 20, split="test").model_copy(update={"model": "other"})
    seen: list[register.Candidate] = []
    monkeypatch.setattr(register, "register", lambda candidate, rescore: seen.append(candidate))
    verdicts = (replace(verdict, model="other"), verdict)
    register_best(record.run, record.corpus, record.examples, verdicts, (tempting, worse, win))
    assert [candidate.scorecard for candidate in seen] == [win]
    assert seen[0].verdict == verdict

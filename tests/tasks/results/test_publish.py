import json
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.artifacts import Scorecard
from tasks.core.errors import InputError
from tasks.decision.across import choose_among
from tasks.results import folders, publish, register
from tasks.results.outcome import Champion
from tasks.results.publish import output_folder, read_scorecards, register_best
from tasks.results.record import RunRecord
from tasks.results.report import write_outputs
from tasks.results.running import Registered
from tasks.results.version_files import Candidate
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
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda _: Usage(0, 0, free["left"]))
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


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> list[Candidate]:
    """What would have been registered."""
    seen: list[Candidate] = []
    monkeypatch.setattr(register, "register", lambda candidate, rescore: seen.append(candidate))
    return seen


def test_the_only_winner_is_registered_by_its_dev_questions(
    record: RunRecord, candidates: list[Candidate]
) -> None:
    verdict = record.outcome.verdicts[0]
    win = next(c for c in record.cards("dev") if c.path == verdict.path)
    register_best(
        record.run, record.corpus, record.examples, record.outcome.verdicts, record.scorecards
    )
    assert [candidate.scorecard for candidate in candidates] == [win]
    assert candidates[0].verdict == verdict


def test_the_model_that_the_last_step_chose_is_registered_and_not_the_highest_mean(
    record: RunRecord, make_card: Callable[..., Scorecard], candidates: list[Candidate]
) -> None:
    small, large = (replace(record.outcome.verdicts[0], model=name) for name in ("small", "large"))
    system = record.scorecards[1].system
    scores = [0.9, 0.8] * 10, [0.9, 0.8] * 9 + [0.9, 0.9]
    cards = tuple(
        make_card(system, values).model_copy(update={"model": one.model})
        for one, values in zip((small, large), scores, strict=True)
    )
    across = choose_among(record.run, (large, replace(small, params=1e6)), cards)
    register_best(record.run, record.corpus, record.examples, (large, small), cards, across)
    assert [candidate.scorecard.model for candidate in candidates] == ["small"]


def test_nothing_is_registered_where_what_runs_already_stays(
    record: RunRecord,
    make_card: Callable[..., Scorecard],
    candidates: list[Candidate],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = "models:/harbour@champion"
    monkeypatch.setattr(publish, "registered", lambda ref: Registered("harbour", "3", "champion"))
    verdicts = tuple(replace(record.outcome.verdicts[0], model=one) for one in ("new", ours))
    cards = tuple(
        make_card(record.scorecards[1].system, [0.9, 0.8] * 10).model_copy(update={"model": one})
        for one in ("new", ours)
    )
    across = choose_among(record.run, verdicts, cards)
    champion = register_best(record.run, record.corpus, record.examples, verdicts, cards, across)
    assert champion == Champion(
        model=ours, path="finetune+rag", name="harbour", version="3", alias="champion"
    )
    assert candidates == []

import csv
import io
import random
from importlib import resources
from pathlib import Path

import pytest

from tasks.advise_table import COLUMNS, advise_on_table
from tasks.core.errors import InputError
from tasks.core.veto import PATHS

PUBLISHED = resources.files("tasks.core").joinpath("evidence.csv").read_text(encoding="utf-8")
UNREAD = (
    "paper", "year", "citation", "prompt_score", "rag_score", "finetune_score",
    "finetune_rag_score", "naive_finetune_rag_score", "winner", "confidence",
)  # fmt: skip


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def row(**changes: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {"task_type": "code", "params_billions": "7"} | changes


def test_table_comes_back_whole_with_a_ranking_of_all_four_paths(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(PUBLISHED, encoding="utf-8")
    text, faults, notes = advise_on_table(path)
    before, after = rows_of(PUBLISHED), rows_of(text)
    assert (faults, notes) == ((), ())
    assert list(after[0]) == [*before[0], "advice"]
    for old, new in zip(before, after, strict=True):
        assert sorted(new.pop("advice").split(">")) == sorted(PATHS)
        assert new == old


@pytest.mark.parametrize("blank", [True, False])
def test_scores_winners_and_citations_are_never_read(tmp_path: Path, blank: bool) -> None:
    rows = rows_of(PUBLISHED)
    expected = [one["advice"] for one in rows_of(advise_on_table(table(tmp_path / "a", rows))[0])]
    for column in UNREAD:
        cells = [one[column] for one in rows]
        random.Random(3).shuffle(cells)
        for one, cell in zip(rows, cells, strict=True):
            one[column] = "" if blank else cell
    found = rows_of(advise_on_table(table(tmp_path / "b", rows))[0])
    assert [one["advice"] for one in found] == expected


def test_hosted_model_that_nobody_tuned_is_not_advised_to_be_tuned(tmp_path: Path) -> None:
    path = table(tmp_path / "t", [row(architecture="api", params_billions="")])
    advice = rows_of(advise_on_table(path)[0])[0]["advice"]
    assert set(advice.split(">")[:2]) == {"prompt", "rag"}


def test_extra_columns_old_advice_and_unknown_cells_do_no_harm(tmp_path: Path) -> None:
    plain = rows_of(advise_on_table(table(tmp_path / "a", [row()]))[0])[0]["advice"]
    odd = row(knowledge_exposure="?") | {"note": "a, b", "advice": "old"}
    text, _, notes = advise_on_table(table(tmp_path / "b", [odd]))
    found = rows_of(text)[0]
    assert (found["note"], found["advice"]) == ("a, b", plain)
    assert notes == ()  # a question mark says that nothing is known
    assert text.splitlines()[0].count("advice") == 1


@pytest.mark.parametrize("column", COLUMNS)
def test_missing_column_is_named(tmp_path: Path, column: str) -> None:
    cells = row()
    del cells[column]
    with pytest.raises(InputError) as caught:
        advise_on_table(table(tmp_path / "t.csv", [cells]))
    assert "line 1" in caught.value.where
    assert column in caught.value.remedy


@pytest.mark.parametrize(
    ("column", "text"), [("params_billions", "-7"), ("n_train", "-1"), ("n_train", "lots")]
)
def test_faulty_number_is_named_by_line_and_column(tmp_path: Path, column: str, text: str) -> None:
    path = table(tmp_path / "t.csv", [row(), row(**{column: text}), row()])
    with pytest.raises(InputError) as caught:
        advise_on_table(path)
    assert caught.value.where == f"{path}: line 3, column {column}"
    assert caught.value.value == text


def test_keep_going_answers_the_other_rows_and_hands_back_the_faults(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", [row(), row(params_billions="-7"), row()])
    path.write_text(path.read_text() + "too,few,cells\n")
    text, faults, _ = advise_on_table(path, keep_going=True)
    lines = list(csv.reader(io.StringIO(text)))
    assert [bool(cells[-1]) for cells in lines[1:]] == [True, False, True, False]
    assert ["line 3" in faults[0].where, "line 5" in faults[1].where] == [True, True]


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"])
def test_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"t\.csv") as caught:
        advise_on_table(path)
    assert "Errno" not in str(caught.value)


def test_an_encoder_in_a_table_is_not_prompted_first(tmp_path: Path) -> None:
    cells = {"task_type": "translation", "training_data": "none", "corpus_covers": "no"}
    ranked = [
        rows_of(advise_on_table(table(tmp_path / kind, [row(architecture=kind, **cells)]))[0])[0]
        for kind in ("decoder", "encoder")
    ]
    assert not ranked[0]["advice"].endswith(">prompt")
    assert ranked[1]["advice"].endswith(">prompt")


def test_words_that_are_not_known_count_as_unknown_and_are_noted_with_the_nearest(
    tmp_path: Path,
) -> None:
    odd = row(knowledge_exposure="longtail", knowledge_changes="weekly", retriever="unknown")
    rows = [row(), odd, odd, row(task_type="haiku"), row(task_type="sumarization")]
    path = table(tmp_path / "t.csv", rows)
    text, faults, notes = advise_on_table(path)
    plain, *others = (one["advice"] for one in rows_of(text))
    assert others[:2] == [plain, plain]
    assert faults == ()
    unknown = "is not known and counts as unknown"
    assert notes[0] == (
        f"{path}: lines 3, 4, column knowledge_changes: 'weekly' {unknown}; known are yes, no"
    )
    assert f"column knowledge_exposure: 'longtail' {unknown}; nearest are long-tail" in notes[1]
    assert f"line 5, column task_type: 'haiku' {unknown}; known are document QA," in notes[2]
    assert notes[3].endswith("line 6, column task_type: 'sumarization' is read as 'summarization'")
    assert len(notes) == 4
    many = advise_on_table(table(tmp_path / "many.csv", [odd] * 9))
    assert "lines 2, 3, 4, 5, 6 and 4 more, column" in many.notes[0]

from pathlib import Path

import pytest

from tasks import scaffold as module
from tasks.core.errors import InputError
from tasks.run.reading import read_run
from tasks.scaffold import scaffold
from tests.files import write_rows

WORDS = (
    "alder", "birch", "cedar", "elm", "fir", "hazel", "holly", "larch", "maple", "oak", "pine",
    "rowan", "spruce", "willow", "yew",
)  # fmt: skip


def write_inputs(folder: Path, splits: tuple[str | None, ...] = (None,)) -> tuple[Path, Path]:
    """120 documents with two unlike questions each, whose splits take turns."""
    documents, questions = folder / "docs", folder / "questions.jsonl"
    documents.mkdir(parents=True)
    rows = []
    for number in range(120):
        one, other = WORDS[number % 15], WORDS[number // 15]
        (documents / f"d{number}.md").write_text(f"# Grove {number}\n\nThe {one} beside {other}.")
        asked = (f"Which tree stands in {one} grove {other} {number}?", f"{number * 7919} {one}")
        for part, text in enumerate(asked):
            row = {"id": f"q{number}-{part}", "question": text, "answers": [one]}
            row |= {"document": f"d{number}"}
            split = splits[len(rows) % len(splits)]
            rows.append(row | ({"split": split} if split else {}))
    write_rows(questions, rows)
    return documents, questions


def test_written_run_file_reads_back_with_paths_that_lead_to_the_inputs(
    home: Path, tmp_path: Path
) -> None:
    documents, questions = write_inputs(tmp_path / "in")
    folder = tmp_path / "deep" / "my grove"
    written = scaffold(folder, documents, questions)
    assert Path(written.path) == folder / "my-grove.toml"
    run = read_run(Path(written.path))
    assert run.name == "my-grove"
    assert (folder / run.data.documents).resolve() == documents.resolve()
    assert (folder / run.data.questions).resolve() == questions.resolve()
    assert not Path(run.data.documents).is_absolute()
    assert run.general is not None
    assert (folder / run.general.items).resolve() == module.GENERAL / "items.jsonl"
    assert (folder / run.general.text).exists()
    assert written.documents == 120
    assert sum(written.questions.values()) == 240


def test_existing_file_is_not_overwritten(home: Path, tmp_path: Path) -> None:
    documents, questions = write_inputs(tmp_path / "in")
    target = tmp_path / "grove.toml"
    target.write_text("mine")
    with pytest.raises(InputError) as caught:
        scaffold(tmp_path, documents, questions, "grove")
    assert str(target) in str(caught.value.value)
    assert target.read_text() == "mine"


def test_faulty_questions_are_named_and_nothing_is_written(home: Path, tmp_path: Path) -> None:
    documents, questions = write_inputs(tmp_path / "in")
    questions.write_text(questions.read_text() + "{not json\n")
    with pytest.raises(InputError, match="line 241"):
        scaffold(tmp_path / "new", documents, questions)
    assert not (tmp_path / "new").exists()


def test_too_few_questions_to_decide_are_refused(home: Path, tmp_path: Path) -> None:
    documents, questions = write_inputs(tmp_path / "in")
    questions.write_text("\n".join(questions.read_text().splitlines()[:40]))
    with pytest.raises(InputError, match="split"):
        scaffold(tmp_path / "new", documents, questions)


def test_documents_are_shared_only_where_the_given_splits_share_them(
    home: Path, tmp_path: Path
) -> None:
    documents, questions = write_inputs(tmp_path / "in", ("train", "dev", "test"))
    written = scaffold(tmp_path, documents, questions, "shared")
    assert written.share_documents
    assert read_run(Path(written.path)).data.share_documents
    documents, questions = write_inputs(tmp_path / "own")
    assert not scaffold(tmp_path, documents, questions, "own").share_documents


def write_examples(folder: Path) -> Path:
    """150 texts of three labels, without splits."""
    folder.mkdir(parents=True)
    rows = [
        {"text": f"{WORDS[n % 15]} {n * 7919} {WORDS[n // 15]} {n}", "label": f"kind {n % 3}"}
        for n in range(150)
    ]
    return write_rows(folder / "texts.jsonl", rows)


def test_labelled_examples_get_a_run_file_that_classifies(home: Path, tmp_path: Path) -> None:
    written = scaffold(tmp_path / "labels", None, None, examples=write_examples(tmp_path / "in"))
    assert written.labels == ("kind 0", "kind 1", "kind 2")
    assert sum(written.questions.values()) == 150
    run = read_run(Path(written.path))
    assert (run.task, run.decision.primary) == ("classification", "macro_f1")
    assert (tmp_path / "labels" / str(run.data.examples)).resolve() == tmp_path / "in/texts.jsonl"
    assert (run.data.documents, run.data.questions) == (None, None)
    text = Path(written.path).read_text(encoding="utf-8")
    assert "# [prices." in text
    assert "# questions" not in text


def test_texts_with_references_get_a_run_file_for_the_task_that_is_named(
    home: Path, tmp_path: Path
) -> None:
    source = tmp_path / "logs.jsonl"
    rows = [
        {"text": f"{n * 7919} gates, {n * 31} tides", "references": [f"{n}"]} for n in range(120)
    ]
    write_rows(source, rows)
    with pytest.raises(InputError, match="summarisation, translation, generation") as caught:
        scaffold(tmp_path / "no", None, None, examples=source)
    assert caught.value.where == "--task"
    with pytest.raises(InputError, match="Did you mean 'translation'"):
        scaffold(tmp_path / "no", None, None, examples=source, task="translations")
    with pytest.raises(InputError, match="--documents and --questions"):
        scaffold(tmp_path / "no", None, None, examples=source, task="question-answering")
    assert not (tmp_path / "no").exists()
    written = scaffold(tmp_path / "out", None, None, examples=source, task="translation")
    run = read_run(Path(written.path))
    assert (run.task, run.decision.primary, run.index.k) == ("translation", "chrf", 4)
    assert (tmp_path / "out" / str(run.data.examples)).resolve() == source.resolve()
    assert (written.task, written.labels, sum(written.questions.values())) == (
        "translation", (), 120,
    )  # fmt: skip


@pytest.mark.parametrize("given", [(), ("documents",), ("questions", "examples")])
def test_data_of_no_task_or_of_two_are_refused(tmp_path: Path, given: tuple[str, ...]) -> None:
    inputs = dict.fromkeys(given, tmp_path)
    with pytest.raises(InputError, match="--documents and --questions, or --examples"):
        scaffold(tmp_path, inputs.get("documents"), inputs.get("questions"),
                 examples=inputs.get("examples"))  # fmt: skip


@pytest.mark.parametrize("name", ["../up", "a b", "", "x" * 65])
def test_name_that_no_run_may_have_is_refused(home: Path, tmp_path: Path, name: str) -> None:
    documents, questions = write_inputs(tmp_path / "in")
    if name == "":
        assert Path(scaffold(tmp_path / "x", documents, questions, name).path).name == "x.toml"
        return
    with pytest.raises(InputError, match="name"):
        scaffold(tmp_path / "x", documents, questions, name)
    assert not (tmp_path / "x").exists()

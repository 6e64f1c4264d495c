"""One whole run that classifies, on a tiny model: all four paths, registered, asked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.results.record import answers_of
from tests.files import write_rows
from tests.flows.whole import WholeRun, labelled_rows, whole_run
from tests.tiny import build_tiny

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

PATHS = {"prompt", "rag", "finetune", "finetune+rag"}
LABELS = ["card", "card lost"]
WORDS = {"card": "please order one", "card lost": "it vanished"}
RUN_FILE = """\
name = "cards"
task = "classification"

[data]
examples = "cards.jsonl"

[[models]]
ref = "path:{model}"
size_class = "small"
params = 1.2e5

[index]
k = 2
chunk_tokens = 32

[answering]
demonstrations = 2
prompt_sample = 6

[training]
epochs = 2
epochs_with_passages = 1
batch_size = 4

[decision]
min_gain = 0.9  # nothing is shown by so little training: the simplest path stands
"""


@pytest.fixture(scope="module")
def classified(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeRun]:
    """A real run; its home folder stays in place while this module is tested."""
    folder = tmp_path_factory.mktemp("classify")
    write_rows(folder / "cards.jsonl", labelled_rows(WORDS))
    with whole_run(folder, RUN_FILE.format(model=build_tiny(folder / "model"))) as run:
        yield run


def cards(classified: WholeRun) -> list[dict[str, Any]]:
    written = json.loads((classified.output / "scorecards.json").read_text())
    return [card for card in written["scorecards"] if card["split"] == "dev"]


def test_all_four_paths_are_measured_by_macro_f1_and_one_is_chosen(classified: WholeRun) -> None:
    found = cards(classified)
    assert {card["path"] for card in found} == PATHS
    for card in found:
        assert card["primary"] == "macro_f1"
        assert set(card["metrics"]) >= {"macro_f1", "accuracy", "calibration_error"}
        assert set(card["by_kind"]) == set(LABELS)
    (verdict,) = classified.outcome.verdicts
    assert (verdict.basis, verdict.path) == ("measured", "prompt")
    assert verdict.test is not None
    assert verdict.test.metric == "macro_f1"


def test_answers_are_labels_and_demonstrations_are_training_examples_of_others(
    classified: WholeRun,
) -> None:
    from tasks.results.publish import read_scorecards

    for card in read_scorecards(classified.output):
        rows = answers_of(card)
        asked = {row.question_id for row in rows}
        for row in rows:
            assert row.answer in LABELS
            assert list(row.probabilities) == LABELS
            assert len(row.passages) == (2 if "rag" in card.path else 0)
            assert asked.isdisjoint(passage.document for passage in row.passages)
            assert all(passage.tags[0] in LABELS for passage in row.passages)


def test_each_paths_confusion_matrix_is_a_picture_in_mlflow(classified: WholeRun) -> None:
    from tasks.results.tracking import connect

    client = connect()
    experiment = client.get_experiment_by_name("cards").experiment_id
    runs = client.search_runs([experiment], "tags.path != ''")
    assert {run.data.tags["path"] for run in runs} == PATHS
    for run in runs:
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert "confusion_dev.png" in names
    assert "examples of 2 labels" in (classified.output / "report.md").read_text()


def test_the_champion_answers_with_a_label_and_its_probabilities(classified: WholeRun) -> None:
    import mlflow

    served = mlflow.pyfunc.load_model("models:/cards@champion")
    asked = {"input": [{"role": "user", "content": "it vanished again"}]}
    response = served.predict(asked)
    chances = response["custom_outputs"]["probabilities"]
    assert response["output"][0]["content"][0]["text"] == max(chances, key=chances.get)
    assert sum(chances.values()) == pytest.approx(1)


def test_the_same_run_again_computes_nothing_and_refresh_finds_all_in_place(
    classified: WholeRun, tmp_path: Path
) -> None:
    from flows.adapt import adapt
    from flows.refresh import refresh
    from tasks.results.tracking import connect

    assert adapt(str(classified.runfile), str(tmp_path)) == classified.outcome
    client = connect()
    experiment = client.get_experiment_by_name("cards").experiment_id
    runs = client.search_runs([experiment], order_by=["attributes.start_time DESC"])
    last = next(run for run in runs if "reused_stages" in run.data.tags)
    reused = set(last.data.tags["reused_stages"].split(", "))
    assert {f"answer dev: {path}" for path in PATHS} | {"fine-tune: finetune+rag"} <= reused
    assert not refresh(str(classified.runfile)).changed


def test_under_a_budget_paths_race_on_macro_f1(classified: WholeRun, tmp_path: Path) -> None:
    from flows.adapt import adapt
    from tasks.run import Budget

    outcome = adapt(str(classified.runfile), str(tmp_path), budget=Budget(seconds=600))
    (verdict,) = outcome.verdicts
    assert verdict.race is not None
    assert verdict.path == "prompt"
    written = json.loads((tmp_path / "scorecards.json").read_text())["scorecards"]
    mean = {card["path"]: card["metrics"]["macro_f1"]["value"] for card in written
            if card["split"] == "dev"}  # fmt: skip
    asked = {one.path: one.questions for one in verdict.race.entrants}
    same = [one for one in verdict.margins if asked[one.path] == asked[one.over]]
    assert same, "paths that answered the same questions"
    for one in same:
        assert one.gain == pytest.approx(mean[one.path] - mean[one.over])

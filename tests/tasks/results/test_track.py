"""A finished run is found whole in a real MLflow store."""

import json
import math
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import InputError
from tasks.results.outcome import Outcome
from tasks.results.plot import plot_confusion
from tasks.results.record import RunRecord, answers_of
from tasks.results.report import verdict_sentence, write_outputs
from tasks.results.track import TrackedRun, check_tracking, log_run
from tasks.results.tracking import connect
from tasks.services import services
from tasks.store import put_rows
from tests.tasks.judged import AGREED, judged

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own


@pytest.fixture
def logged(record: RunRecord) -> TrackedRun:
    write_outputs(record)
    return log_run(record)


def children(logged: TrackedRun) -> dict[str, Any]:
    runs = [connect().get_run(run_id) for run_id in logged.children]
    return {run.data.tags["path"]: run for run in runs}


def files(run_id: str) -> set[str]:
    return {file.path for file in connect().list_artifacts(run_id)}


def content(run_id: str, file: str) -> Any:
    text = Path(connect().download_artifacts(run_id, file)).read_text()
    return json.loads(text, parse_constant=pytest.fail)


def test_parent_holds_the_decision_and_children_the_systems(
    logged: TrackedRun, record: RunRecord, home: Path
) -> None:
    experiment = connect().get_experiment_by_name("harbour")
    assert experiment is not None
    assert experiment.artifact_location == (home / "mlflow-artifacts").as_uri()
    parent = connect().get_run(logged.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["run_digest"] == record.run.digest
    assert parent.data.tags["reused_stages"] == "collect"
    assert files(logged.run_id) == {
        "verdict.json", "scorecards.json", "report.md", "quality-cost.png", "run.json", "plan.json",
        "comparison.md",
    }  # fmt: skip
    assert content(logged.run_id, "run.json") == record.run.model_dump(mode="json")
    assert {run.data.tags["mlflow.parentRunId"] for run in children(logged).values()} == {
        logged.run_id
    }
    assert set(children(logged)) == {"prompt", "finetune+rag"}


def test_the_page_of_a_run_opens_with_its_verdicts_and_their_reasons(
    logged: TrackedRun, record: RunRecord
) -> None:
    told = connect().get_run(logged.run_id).data.tags["mlflow.note.content"]
    for verdict in record.outcome.verdicts:
        assert verdict_sentence(record, verdict) in told
        assert all(f"- {reason}\n" in told for reason in verdict.reasons)


def test_parameters_that_matter_are_logged(logged: TrackedRun) -> None:
    params = connect().get_run(logged.run_id).data.params
    assert (params["min_gain"], params["k"], params["dev_questions"]) == ("0.02", "2", "20")
    assert 15 <= len(params) <= 25


def test_scorecards_become_metrics_with_intervals_costs_and_energy_method(
    logged: TrackedRun,
) -> None:
    tuned = children(logged)["finetune+rag"]
    metrics, tags = tuned.data.metrics, tuned.data.tags
    assert metrics["dev/f1"] == pytest.approx(0.925)
    assert metrics["dev/f1_low"] < 0.925 < metrics["dev/f1_high"]
    assert metrics["test/f1"] == pytest.approx(0.925)
    assert metrics["dev/trained/f1"] == pytest.approx(0.925)
    assert metrics["cost/dev_seconds_per_question"] == pytest.approx(0.2)
    assert metrics["cost/train_seconds"] == 90
    assert (tags["energy_method"], tags["train_energy_method"]) == ("estimate", "counters")
    assert "test/f1" not in children(logged)["prompt"].data.metrics


def test_general_knowledge_is_logged_where_it_was_checked(logged: TrackedRun) -> None:
    runs = children(logged)
    assert runs["prompt"].data.metrics["general/accuracy_low"] == 0.4
    assert "general/accuracy" not in runs["finetune+rag"].data.metrics


def test_runs_have_names_that_a_person_can_read(logged: TrackedRun) -> None:
    parent = connect().get_run(logged.run_id)
    assert re.fullmatch(r"harbour \d{4}-\d\d-\d\d \d\d:\d\d", str(parent.info.run_name))
    assert {run.info.run_name for run in children(logged).values()} == {
        "SmolLM2-135M · prompt", "SmolLM2-135M · finetune+rag",
    }  # fmt: skip


def test_all_that_is_logged_as_json_is_strict(record: RunRecord) -> None:
    facts = record.run.facts.model_copy(update={"changes_every_days": math.inf})
    card = record.scorecards[1]
    rows = [row.model_copy(update={"scores": {"f1": 1.0}}) for row in answers_of(card)]
    rows[0] = rows[0].model_copy(update={"scores": {"f1": 1.0, "mrr": 1.0}})
    blob = put_rows(rows)
    partly = card.model_copy(update={"answers": {"uri": blob.uri, "digest": blob.sha}})
    endless = record.model_copy(update={
        "run": record.run.model_copy(update={"facts": facts}),
        "scorecards": (record.scorecards[0], partly, record.scorecards[2]),
    })  # fmt: skip
    write_outputs(endless)
    logged = log_run(endless)
    for run_id in (logged.run_id, *logged.children):
        for file in files(run_id):
            if file.endswith(".json"):
                content(run_id, file)
    assert content(logged.run_id, "run.json")["facts"]["changes_every_days"] is None


def test_training_curve_has_its_steps(logged: TrackedRun) -> None:
    run_id = children(logged)["finetune+rag"].info.run_id
    curve = connect().get_metric_history(run_id, "train_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 3.0), (2, 1.5), (3, 1.0)]


def test_reused_system_says_which_run_measured_it(record: RunRecord) -> None:
    prompt, tuned, test = record.scorecards
    fresh = prompt.model_copy(update={"cost": prompt.cost | {"reused_from": None}})
    write_outputs(record)
    runs = children(log_run(record.model_copy(update={"scorecards": (fresh, tuned, test)})))
    assert "reused_from" not in runs["prompt"].data.tags
    assert runs["finetune+rag"].data.tags["reused_from"] == "earlier"


def test_every_answer_is_kept_with_prompt_passages_and_scores(logged: TrackedRun) -> None:
    run_id = children(logged)["finetune+rag"].info.run_id
    assert files(run_id) == {
        "answers_dev.json", "answers_test.json", "prompt.json", "system.json",
    }  # fmt: skip
    table = content(run_id, "answers_dev.json")
    assert len(table["data"]) == 20
    row = dict(zip(table["columns"], table["data"][0], strict=True))
    assert (row["question_id"], row["f1"], row["prompt"]) == ("q0", 0.9, "prompt 0")
    assert row["passages"] == "[The | Pier #0] Built in 1886."


def test_documents_and_questions_are_inputs_named_by_their_content(
    logged: TrackedRun, record: RunRecord
) -> None:
    inputs = connect().get_run(logged.run_id).inputs.dataset_inputs
    assert {(one.dataset.name, one.dataset.digest) for one in inputs} == {
        ("documents", record.corpus.documents.sha),
        ("questions-dev", record.examples.questions.sha),
    }


def test_run_without_any_measured_system_is_logged(record: RunRecord) -> None:
    outcome = Outcome(champion=None, verdicts=record.outcome.verdicts[1:])
    bare = record.model_copy(update={"scorecards": (), "trainings": (), "outcome": outcome})
    write_outputs(bare)
    logged = log_run(bare)
    assert logged.children == ()
    assert connect().get_run(logged.run_id).data.tags["champion"] == "none"


def test_embedded_tracking_answers(home: Path) -> None:
    check_tracking()


def test_server_that_does_not_answer_is_named_within_seconds(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    services.cache_clear()
    began = time.monotonic()
    with pytest.raises(InputError) as caught:
        check_tracking()
    assert caught.value.value == uri
    assert time.monotonic() - began < 15


def test_index_of_a_run_is_logged_with_its_manifest_and_the_chosen_settings(
    indexed: RunRecord,
) -> None:
    write_outputs(indexed)
    logged = log_run(indexed)
    held = {file.path for file in connect().list_artifacts(logged.run_id, "index")}
    assert held == {"index/report.md", "index/build.json", "index/manifest.jsonl"}
    assert content(logged.run_id, "index/manifest.jsonl") == {"id": "1"}
    assert content(logged.run_id, "plan.json")["index"]["chosen"]["chunk_tokens"] == 64
    assert [one["ndcg"] for one in content(logged.run_id, "plan.json")["index"]["trials"]] == [
        0.71, 0.82,
    ]  # fmt: skip
    assert connect().get_run(logged.run_id).data.params["chunk_tokens"] == "64"


def test_a_classification_has_its_confusion_matrix_and_the_probabilities_of_labels(
    labelled: RunRecord,
) -> None:
    write_outputs(labelled)
    found = children(log_run(labelled))
    for run in found.values():
        assert "confusion_dev.png" in files(run.info.run_id)
    table = content(found["prompt"].info.run_id, "answers_dev.json")
    assert {"p(a)", "p(b)", "accuracy"} <= set(table["columns"])


def test_a_confusion_matrix_counts_what_was_answered_for_what_was_expected(
    labelled: RunRecord,
) -> None:
    figure = plot_confusion(answers_of(labelled.scorecards[0]), "prompt")
    (axes,) = figure.axes
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "6", (1, 0): "4", (0, 1): "4", (1, 1): "6"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_agreement_with_people_is_logged_beside_the_judge(record: RunRecord) -> None:
    logged = log_run(judged(record, agreement=AGREED))
    run = connect().get_run(logged.run_id)
    assert run.data.metrics["judge/kappa"] == 0.6
    assert run.data.metrics["judge/yes_where_no_high"] == 0.5
    assert run.data.tags["judge"] == "hf:a/judge"
    assert run.data.tags["judge_trust"].startswith("Agreement with people on 40 answers")
    child = children(logged)["prompt"]
    assert child.data.metrics["dev/judged_low"] == 0.3
    assert child.data.metrics["cost/dev_judge_tokens"] == 1000

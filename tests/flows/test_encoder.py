"""One whole run over a tiny encoder: its three paths, registered, asked, and once on a budget."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.files import write_rows
from tests.flows.whole import WholeRun, labelled_rows, whole_run
from tests.tiny import build_tiny_encoder

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

GENERAL = Path(__file__).resolve().parents[2] / "examples" / "general"
LABELS = ["card", "card lost"]
WORDS = {"card": "the red ferry", "card lost": "keeper Maud Quill"}
RUN_FILE = """\
name = "crossings"
task = "classification"

[data]
examples = "cards.jsonl"

[general]
items = "{general}/items.jsonl"
text = "{general}/text.jsonl"

[[models]]
ref = "path:{model}"
size_class = "small"
params = 2e4

[index]
k = 2
chunk_tokens = 32

[training]
encoder_epochs = 2
batch_size = 4

[decision]
min_gain = 0.9  # nothing is shown by so little training: the simplest path stands
"""


@pytest.fixture(scope="module")
def ran(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeRun]:
    """A real run; its home folder stays in place while this module is tested."""
    folder = tmp_path_factory.mktemp("encoder")
    write_rows(folder / "cards.jsonl", labelled_rows(WORDS))
    model = build_tiny_encoder(folder / "model")
    with whole_run(folder, RUN_FILE.format(model=model, general=GENERAL)) as run:
        yield run


def test_an_encoder_is_measured_on_all_paths_but_prompt(ran: WholeRun) -> None:
    written: dict[str, Any] = json.loads((ran.output / "scorecards.json").read_text())
    cards = [card for card in written["scorecards"] if card["split"] == "dev"]
    assert {card["path"] for card in cards} == {"rag", "finetune", "finetune+rag"}
    for card in cards:
        assert {"macro_f1", "accuracy", "calibration_error"} <= set(card["metrics"])
        assert "general_accuracy" not in card["metrics"]
    (verdict,) = ran.outcome.verdicts
    assert (verdict.basis, verdict.path) == ("measured", "rag")
    assert [(veto.path, veto.limit) for veto in verdict.vetoes] == [("prompt", "generates")]


def test_report_and_verdict_say_that_rag_is_a_vote_and_what_is_left_out(ran: WholeRun) -> None:
    (verdict,) = ran.outcome.verdicts
    said = [one for one in verdict.reasons if "vote of the nearest labelled examples" in one]
    assert len(said) == 1
    report = (ran.output / "report.md").read_text()
    assert said[0] in report
    assert "General knowledge is left out: an encoder" in report
    assert "an encoder writes no text" in report


def test_one_head_is_trained_for_both_tuned_paths(ran: WholeRun) -> None:
    written = json.loads((ran.output / "scorecards.json").read_text())
    adapters = {
        card["path"]: card["system"]["adapter"] for card in written["scorecards"]
        if card["split"] == "dev"
    }  # fmt: skip
    assert adapters["finetune"]["blob"] == adapters["finetune+rag"]["blob"]
    assert adapters["rag"] is None


def test_the_champion_answers_with_a_label_and_its_probabilities(ran: WholeRun) -> None:
    from tasks.ask import ask_registered

    reply = ask_registered("crossings", "keeper Maud Quill again")
    assert reply.answer in LABELS
    assert len(reply.passages) == 2


@pytest.mark.parametrize(
    "paths", [("rag", "finetune", "finetune+rag"), ("finetune", "finetune+rag")]
)
def test_the_paths_race_for_a_budget_and_the_winner_serves(
    paths: tuple[str, ...], ran: WholeRun, tmp_path: Path
) -> None:
    import mlflow

    from flows.adapt import adapt
    from tasks.run import Budget

    raced = ran.runfile.with_name("raced.toml")
    raced.write_text(ran.runfile.read_text() + 'primary = "accuracy"\n')
    outcome = adapt(
        str(raced), str(tmp_path), paths=list(paths), min_gain=0.0, budget=Budget(seconds=900)
    )
    (verdict,) = outcome.verdicts
    assert (verdict.basis, verdict.race is not None) == ("measured", True)
    assert verdict.path in paths
    champion = outcome.champion
    assert champion is not None
    served = mlflow.pyfunc.load_model(f"models:/crossings/{champion.version}")
    response = served.predict({"input": [{"role": "user", "content": "the red ferry"}]})
    chances = response["custom_outputs"]["probabilities"]
    assert response["output"][0]["content"][0]["text"] == max(chances, key=chances.get)
    assert response["custom_outputs"]["path"] == champion.path

"""One whole run over texts with references, on a tiny model: all four paths, registered, asked."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.results.publish import read_scorecards
from tasks.results.record import answers_of
from tests.files import write_rows
from tests.flows.whole import WholeRun, whole_run
from tests.tiny import build_tiny

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

PATHS = {"prompt", "rag", "finetune", "finetune+rag"}
RUN_FILE = """\
name = "locks"
task = "translation"

[data]
examples = "locks.jsonl"
glossary = "terms.csv"

[[models]]
ref = "path:{model}"
size_class = "small"
params = 1.2e5

[index]
k = 2
chunk_tokens = 16

[answering]
demonstrations = 2
prompt_sample = 4
max_new_tokens = 12
max_words = 8

[training]
epochs = 1
epochs_with_passages = 1
try_rank = [2, 4]
learning_curve = [0.5]

[judge]
model = "path:{model}"
labels = "judged.jsonl"

[decision]
min_gain = 0.9  # nothing is shown by so little training: the simplest path stands
"""


@pytest.fixture(scope="module")
def translated(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeRun]:
    """A real run; its home folder stays in place while this module is tested."""
    folder = tmp_path_factory.mktemp("translate")
    rows = [
        {"text": f"Gate {n} at {n * 7919}.\nLock {n * 31}.", "references": [f"Tor {n}\nzu"]}
        for n in range(90)
    ]
    write_rows(folder / "locks.jsonl", rows)
    (folder / "terms.csv").write_text("term,translation\ngate,Tor\n")
    judged = [
        {"text": f"Gate {n}.", "answer": "Tor" if n % 3 else "Pforte", "good": n % 3 > 0}
        for n in range(12)
    ]
    write_rows(folder / "judged.jsonl", judged)
    model = build_tiny(folder / "model", positions=1024)
    with whole_run(folder, RUN_FILE.format(model=model)) as run:
        yield run


def test_all_four_paths_are_measured_by_chrf_with_what_was_asked_of_answers(
    translated: WholeRun,
) -> None:
    cards = [card for card in read_scorecards(translated.output) if card.split == "dev"]
    assert {card.path for card in cards} == PATHS
    for card in cards:
        assert card.primary == "chrf"
        assert set(card.metrics) >= {"chrf", "within_length", "terms_kept", "judged"}
        assert [one.name for one in card.corpus] == ["corpus BLEU", "corpus chrF"]
        assert all("Terms: gate = Tor" in row.prompt for row in answers_of(card))
    (verdict,) = translated.outcome.verdicts
    assert (verdict.basis, verdict.path) == ("measured", "prompt")
    report = (translated.output / "report.md").read_text()
    assert "| corpus BLEU |" in report
    assert "a glossary of 1 terms" in report


def test_the_judge_is_told_of_with_its_agreement_and_that_it_judges_itself(
    translated: WholeRun,
) -> None:
    from tasks.results.tracking import connect

    report = (translated.output / "report.md").read_text()
    section = report[report.index("## The judge") :]
    assert "Agreement with people on 12 answers" in section
    assert "Cohen's kappa" in section
    assert "Warning: it judges itself" in section
    client = connect()
    experiment = client.get_experiment_by_name("locks").experiment_id
    told = [run.data.metrics for run in client.search_runs([experiment])]
    assert any("judge/kappa" in metrics for metrics in told)


def test_tuned_paths_are_measured_on_a_share_of_the_examples_as_well(
    translated: WholeRun,
) -> None:
    report = (translated.output / "report.md").read_text()
    section = report[report.index("## Would more examples help?") :]
    for path in ("finetune", "finetune+rag"):
        assert f"| `{path}` | 50% |" in section
        assert f"| `{path}` | 100% |" in section
    assert (translated.output / "learning-curve.png").stat().st_size > 0


def test_settings_that_were_tried_are_told_with_the_one_that_was_chosen(
    translated: WholeRun,
) -> None:
    report = (translated.output / "report.md").read_text()
    for rank in (2, 4):
        assert f"tried: learning rate 0.0008, rank {rank}: validation loss" in report
    assert report.count("chosen: learning rate 0.0008, rank") == 2


def test_the_champion_answers_in_mlflow_which_has_the_corpus_scores(
    translated: WholeRun,
) -> None:
    import mlflow

    from tasks.results.tracking import connect

    client = connect()
    experiment = client.get_experiment_by_name("locks").experiment_id
    runs = client.search_runs([experiment], "tags.path = 'prompt'")
    assert {"dev/corpus_BLEU", "test/corpus_chrF"} <= set(runs[0].data.metrics)
    served = mlflow.pyfunc.load_model("models:/locks@champion")
    response = served.predict({"input": [{"role": "user", "content": "Gate 7 at noon."}]})
    assert response["output"][0]["content"][0]["type"] == "output_text"


def test_the_same_run_again_computes_nothing_and_another_glossary_asks_again(
    translated: WholeRun, tmp_path: Path
) -> None:
    from flows.adapt import adapt
    from tasks.results.tracking import connect

    def reused() -> set[str]:
        adapt(str(translated.runfile), str(tmp_path), paths=["prompt"])
        client = connect()
        experiment = client.get_experiment_by_name("locks").experiment_id
        runs = client.search_runs([experiment], order_by=["attributes.start_time DESC"])
        tags = next(run.data.tags for run in runs if "reused_stages" in run.data.tags)
        return set(tags["reused_stages"].split(", "))

    kept = {"choose prompt: prompt", "answer dev: prompt", "judge dev: prompt"}
    assert kept | {"judge labelled answers"} <= reused()
    terms = translated.runfile.with_name("terms.csv")
    terms.write_text("term,translation\ngate,Pforte\n")
    assert not {"choose prompt: prompt", "answer dev: prompt"} & reused()

"""A version holds what its winner needs, and says in words and tags what that is."""

from pathlib import Path

from tasks.results.record import answers_of
from tasks.results.version_files import Candidate, model_card, required, tags, write_files


def test_model_card_is_written_from_the_run(tuned: Candidate) -> None:
    card = model_card(tuned)
    assert "Answers questions by the path `finetune+rag`, which was measured" in card
    assert "| f1 | 0.925 (" in card
    assert "f1 0.800 (0.700 to 0.900) on 20 questions" in card
    assert "$" not in card


def test_files_hold_every_answer_and_the_adapter_where_there_is_one(
    tuned: Candidate, plain: Candidate, tmp_path: Path
) -> None:
    files = write_files(tuned, tmp_path)
    assert len(files["answers"].read_text().splitlines()) == len(answers_of(tuned.scorecard))
    assert (files["adapter"] / "adapter_model.safetensors").read_bytes() == b"weights"
    assert "adapter" not in write_files(plain, tmp_path)


def test_a_metric_of_many_words_is_a_tag_that_a_registry_takes(tuned: Candidate) -> None:
    name = "0.8 f1 + 0.2 refused"
    scored = {name: tuned.scorecard.metrics["f1"]}
    card = tuned.scorecard.model_copy(update={"primary": name, "metrics": scored})
    found = tags(tuned.model_copy(update={"scorecard": card}))
    assert found["0.8 f1 _ 0.2 refused"] == "0.9250"
    assert found["primary"] == name


def test_a_hosted_models_client_is_needed_where_one_answers(tuned: Candidate) -> None:
    model = tuned.system.model.model_copy(update={"open_weights": False})
    hosted = tuned.system.model_copy(update={"model": model})
    assert set(required(hosted)) - set(required(tuned.system)) == {"openai"}

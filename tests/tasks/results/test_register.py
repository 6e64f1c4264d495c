"""Versions hold all that a winner needs; the alias moves only to a better one.

What answers is a stand-in for `tasks.evaluation.answering`, behind which models are loaded.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tasks.artifacts import Passage, Scorecard, System
from tasks.ask import ask_registered
from tasks.results.record import answers_of
from tasks.results.register import is_better, register, registered_system
from tasks.results.tracking import connect
from tasks.results.version_files import Candidate, model_card
from tasks.retrieval.users import index_users
from tasks.store import put_rows

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own

LOW, HIGH = [0.1, 0.2] * 10, [0.9, 1.0, 0.8, 1.0] * 5
ADAPTER = "adapter_model.safetensors"


@pytest.fixture(autouse=True)
def answered(monkeypatch: pytest.MonkeyPatch) -> list[System]:
    """The systems that were asked, in order."""
    asked: list[System] = []

    def reply(system: System, question: str) -> SimpleNamespace:
        asked.append(system)
        passage = Passage(
            document="pier", title="Pier", source="pier.md", position=3, last=4, text="t",
            score=0.5, sha="p",
        )  # fmt: skip
        if not system.retrieval:
            return SimpleNamespace(
                text=question.upper(), passages=(), index_sha=None, probabilities={}
            )
        return SimpleNamespace(
            text=question.upper(), passages=(passage,), index_sha="index-2", probabilities={}
        )

    stand_in = ModuleType("tasks.evaluation.answering")
    stand_in.reply = reply  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tasks.evaluation.answering", stand_in)
    return asked


def never(system: System) -> Sequence[float]:
    raise AssertionError("the same questions need no new answers")


def versions() -> int:
    return len(connect().search_model_versions("name = 'harbour'"))


def aliases() -> dict[str, str]:
    return {k: str(v) for k, v in connect().get_registered_model("harbour").aliases.items()}


def asked_of_others(card: Scorecard) -> Scorecard:
    return card.model_copy(update={"questions_digest": "dev-2"})


@pytest.mark.parametrize(
    ("newcomer", "better"),
    [(HIGH, True), (LOW, False), ([0.3, 0.0] * 10, False), ([*LOW[:-1], 0.9], False)],
    ids=["clearly", "equal", "lower", "one lucky question"],
)
def test_better_is_a_gain_that_is_not_chance(newcomer: list[float], better: bool) -> None:
    clusters = [f"d{number}" for number in range(20)]
    assert is_better(newcomer, LOW, clusters, 0.95) is better


def test_first_version_becomes_champion_and_holds_all_it_needs(tuned: Candidate) -> None:
    champion = register(tuned, never)
    assert (champion.version, champion.alias, champion.path) == ("1", "champion", "finetune+rag")
    version = connect().get_model_version_by_alias("harbour", "champion")
    assert version.tags["questions_digest"] == "dev-1"
    assert version.tags["f1"] == "0.9250"
    assert (version.tags["path"], version.tags["basis"]) == ("finetune+rag", "measured")
    import mlflow

    held = Path(mlflow.artifacts.download_artifacts("models:/harbour/1"))
    assert (held / "artifacts" / "adapter" / ADAPTER).read_bytes() == b"weights"
    assert {path.name for path in (held / "artifacts").iterdir()} == {
        "system.json", "run.json", "verdict.json", "scorecard.json", "answers.jsonl", "data.json",
        "README.md", "adapter",
    }  # fmt: skip
    assert json.loads((held / "artifacts" / "data.json").read_text())["questions"]["sha"] == "qs"
    assert (held / "input_example.json").exists()
    model = mlflow.models.get_model_info("models:/harbour/1")
    assert model.signature is not None
    assert registered_system("harbour", "1") == tuned.system


def test_index_of_a_registered_version_is_known_to_be_in_use(tuned: Candidate) -> None:
    register(tuned, never)
    assert tuned.system.retrieval is not None
    assert index_users() == {tuned.system.retrieval.index.sha: ("harbour 1 (champion)",)}


def test_the_model_card_is_the_versions_description(tuned: Candidate) -> None:
    register(tuned, never)
    assert connect().get_model_version("harbour", "1").description == model_card(tuned)


def test_same_system_again_adds_no_version(tuned: Candidate, answered: list[System]) -> None:
    first = register(tuned, never)
    answered.clear()
    assert register(tuned, never) == first
    assert versions() == 1
    assert answered == []


def test_worse_newcomer_becomes_challenger(tuned: Candidate, plain: Candidate) -> None:
    register(tuned, never)
    assert register(plain, never).alias == "challenger"
    assert aliases() == {"champion": "1", "challenger": "2"}


def test_better_newcomer_takes_the_alias(tuned: Candidate, plain: Candidate) -> None:
    assert register(plain, never).alias == "champion"
    assert register(tuned, never).alias == "champion"
    assert aliases() == {"champion": "2"}


def test_champion_answers_anew_where_it_was_measured_on_other_questions(
    tuned: Candidate, plain: Candidate
) -> None:
    register(plain, never)
    newcomer = tuned.model_copy(update={"scorecard": asked_of_others(tuned.scorecard)})
    rescored: list[System] = []

    def rescore(system: System) -> Sequence[float]:
        rescored.append(system)
        return [1.0] * 20

    assert register(newcomer, rescore).alias == "challenger"
    assert rescored == [plain.system]


def test_where_a_judge_decides_the_champion_is_judged_anew(
    tuned: Candidate, plain: Candidate
) -> None:
    def judged(candidate: Candidate, verdict: float) -> Candidate:
        rows = [
            row.model_copy(update={"scores": {"judged": verdict}})
            for row in answers_of(candidate.scorecard)
        ]
        blob, card = put_rows(rows), candidate.scorecard
        update = {
            "primary": "judged",
            "metrics": card.metrics | {"judged": card.metrics["f1"]},
            "answers": {"uri": blob.uri, "digest": blob.sha},
        }
        return candidate.model_copy(update={"scorecard": card.model_copy(update=update)})

    register(judged(plain, 1.0), never)  # as an earlier judge saw it
    rescored: list[System] = []

    def rescore(system: System) -> Sequence[float]:
        rescored.append(system)
        return [0.0] * 20

    assert register(judged(tuned, 1.0), rescore).alias == "champion"
    assert rescored == [plain.system]


def test_challenger_that_turns_out_better_is_promoted_without_a_new_version(
    tuned: Candidate, plain: Candidate
) -> None:
    register(plain, never)
    newcomer = tuned.model_copy(update={"scorecard": asked_of_others(tuned.scorecard)})
    register(newcomer, lambda _: [1.0] * 20)
    assert aliases() == {"champion": "1", "challenger": "2"}
    assert register(newcomer, lambda _: [0.0] * 20).version == "2"
    assert aliases() == {"champion": "2"}


def test_loading_a_version_loads_no_model_before_the_first_question(
    tuned: Candidate, answered: list[System]
) -> None:
    register(tuned, never)
    import mlflow

    answered.clear()
    loaded = mlflow.pyfunc.load_model("models:/harbour@champion")
    assert answered == []
    response = loaded.predict({"input": [{"role": "user", "content": "when?"}]})
    told = response["custom_outputs"]
    source = {
        "document": "pier", "title": "Pier", "source": "pier.md", "position": 3, "last": 4,
        "sha": "p", "score": 0.5,
    }  # fmt: skip
    assert told["sources"] == [source]
    # Not index-1, which the version was measured with: the one that was searched.
    assert (told["index_digest"], told["path"]) == ("index-2", "finetune+rag")
    trace = mlflow.get_trace(str(mlflow.get_last_active_trace_id()), flush=True)
    assert trace.data.spans[0].get_attribute("index_digest") == "index-2"
    assert told["system"] == tuned.system.digest
    (asked,) = answered
    assert asked.adapter is not None
    held = Path(asked.adapter.blob.uri)
    assert (held / ADAPTER).read_bytes() == b"weights"
    assert tuned.system.adapter is not None
    assert str(held) != tuned.system.adapter.blob.uri  # the version's own copy


def test_streamed_answer_is_the_same_in_one_event(tuned: Candidate) -> None:
    register(tuned, never)
    import mlflow

    loaded = mlflow.pyfunc.load_model("models:/harbour@champion")
    (event,) = loaded.predict_stream({"input": [{"role": "user", "content": "when?"}]})
    assert event["type"] == "response.output_item.done"
    assert event["item"]["content"][0]["text"] == "WHEN?"
    assert event["custom_outputs"]["index_digest"] == "index-2"


def test_last_user_message_is_the_question_and_none_is_an_error(tuned: Candidate) -> None:
    register(tuned, never)
    import mlflow

    loaded = mlflow.pyfunc.load_model("models:/harbour@champion")
    parts = [{"type": "input_text", "text": "second?"}]
    turns = [
        {"role": "user", "content": "first?"},
        {"role": "assistant", "content": "1886"},
        {"role": "user", "content": parts},
    ]
    response = loaded.predict({"input": turns})
    assert response["output"][0]["content"][0]["text"] == "SECOND?"
    with pytest.raises(Exception, match="a user message with text"):
        loaded.predict({"input": [{"role": "assistant", "content": "1886"}]})


def test_registered_system_can_be_asked_by_name(tuned: Candidate) -> None:
    register(tuned, never)
    reply = ask_registered("harbour", "when?")
    assert (reply.answer, reply.version) == ("WHEN?", "1")
    assert [passage.document for passage in reply.passages] == ["pier"]

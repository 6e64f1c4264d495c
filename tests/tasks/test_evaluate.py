import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks import answering, evaluate
from tasks.answering import generate_answers, reply
from tasks.artifacts import (
    Adapter,
    Answer,
    Answers,
    Cost,
    ExampleSet,
    GeneralScore,
    ModelRef,
    Passage,
    Prompt,
    Question,
    Retrieval,
    Scorecard,
    Search,
    System,
)
from tasks.core.stats import Interval
from tasks.evaluate import (
    answer_split,
    choose_prompt,
    questions_digest,
    scorecard,
)
from tasks.models import loading
from tasks.models.loading import load_decoder
from tasks.models.outputs import Generation
from tasks.prompts import candidates
from tasks.question_answering import REFUSAL, demonstrators
from tasks.results.record import RunRecord
from tasks.run import AnsweringSpec
from tasks.sampling import hold_out
from tasks.store import get_rows, put_rows

pytestmark = pytest.mark.usefixtures("home")


def question(n: int, split: str, **fields: Any) -> Question:
    given: dict[str, Any] = {"answers": ("red",), "document": f"{split}-{n // 2}", "kind": "seen"}
    return Question.model_validate(
        {"id": f"{split}-{n:02}", "question": f"Which colour {n}?", "split": split} | given | fields
    )


def lost(n: int, split: str) -> Question:
    return question(n, split, answers=(), answerable=False, document=None, kind="lost")


@pytest.fixture
def examples() -> ExampleSet:
    rows = [
        *(question(n, "train") for n in range(30)), *(lost(n, "train") for n in range(30, 35)),
        *(question(n, "dev") for n in range(4)), lost(4, "dev"), question(0, "test"),
    ]  # fmt: skip
    return ExampleSet(questions=put_rows(rows), counts=())


class Echo:
    """A decoder at the edge that answers by a rule on the prompt's text; it notes what it saw."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        self.rule = rule
        self.prompts: list[str] = []

    def render(self, messages: tuple[tuple[str, str], ...]) -> str:
        return "|".join(f"{role}: {content}" for role, content in messages)

    def plain(self, text: str) -> str:
        return text

    def generate(self, prompts: list[str], *_: Any, **__: Any) -> list[Generation]:
        self.prompts += prompts
        return [Generation(self.rule(prompt), 10, 2) for prompt in prompts]


def stand_in(monkeypatch: pytest.MonkeyPatch, rule: Callable[[str], str]) -> Echo:
    echo = Echo(rule)
    monkeypatch.setattr(evaluate, "load_answerer", lambda *_: echo)
    return echo


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    load_decoder.cache_clear()


SPEC = AnsweringSpec(demonstrations=4, prompt_sample=14)


def chosen(model: ModelRef, examples: ExampleSet, adapter: Adapter | None = None) -> Prompt:
    path = "prompt" if adapter is None else "finetune"
    return choose_prompt(model, path, adapter, None, examples, SPEC, 0.1, "f1", 7)


@pytest.mark.parametrize("best", ["brief", "plain examples", "plain examples, refusal"])
def test_the_prompt_that_scores_best_on_training_questions_is_chosen(
    tiny_model: ModelRef, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch, best: str
) -> None:
    named = {
        "brief": lambda text: text.startswith("system"),
        "plain examples": lambda text: text.startswith("Q:"),
        "plain examples, refusal": lambda text: text.startswith("Answer in"),
    }
    stand_in(monkeypatch, lambda text: "red" if named[best](text) else "blue")
    assert chosen(tiny_model, examples).name == best


def test_of_equal_prompts_the_first_is_chosen(
    tiny_model: ModelRef, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda _: "blue")
    assert chosen(tiny_model, examples).name == "brief"


def test_prompts_are_tried_on_other_training_questions_than_they_show(
    tiny_model: ModelRef, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = stand_in(monkeypatch, lambda _: "red")
    chosen(tiny_model, examples)
    train = [q for q in get_rows(examples.questions, Question) if q.split == "train"]
    shown = {q.question for q in demonstrators(train, 4, 7)}
    assert len(shown) == 5
    asked = {prompt.split("user: ")[1] for prompt in echo.prompts if prompt.startswith("system")}
    assert asked.isdisjoint(shown)
    assert asked <= {q.question for q in train}
    assert len(asked) in (13, 14, 15)
    assert any(int(text.split()[2][:-1]) >= 30 for text in asked)  # every kind is asked
    assert len(echo.prompts) == 3 * len(asked)
    told = next(prompt for prompt in echo.prompts if prompt.startswith("Answer in"))
    assert all(text in told for text in shown)


def test_a_tuned_path_is_tried_on_what_its_training_held_out(
    tiny_model: ModelRef, examples: ExampleSet, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo = stand_in(monkeypatch, lambda text: "red" if "system: Answer." in text else "blue")
    assert chosen(tiny_model, examples, record.trainings[0].adapter).name in ("bare", "brief")
    train = [q for q in get_rows(examples.questions, Question) if q.split == "train"]
    _, held = hold_out(train, 0.1, 7)
    asked = {prompt.split("user: ")[1] for prompt in echo.prompts}
    assert asked == {q.question for q in held}
    assert all("Q:" not in prompt for prompt in echo.prompts)


def test_a_training_split_of_demonstrations_alone_leaves_a_prompt_without_any(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, lambda _: "red")
    few = ExampleSet(questions=put_rows([question(n, "train") for n in (0, 2)]), counts=())
    assert chosen(tiny_model, few).demonstrations == ()


BARE = Prompt(name="brief", instruction="Reply with only the short answer.", max_new_tokens=5)


def test_answers_are_of_the_split_in_its_order_with_their_cost(
    tiny_model: ModelRef, examples: ExampleSet
) -> None:
    system = System(model=tiny_model, prompt=BARE)
    answers = answer_split(system, examples, "dev", batch_size=2)
    rows = get_rows(answers.blob, Answer)
    assert [row.question_id for row in rows] == [f"dev-{n:02}" for n in range(5)]
    assert (answers.n, answers.split, answers.system) == (5, "dev", system.digest)
    cost = answers.cost
    assert len(cost.samples) == 3
    assert cost.tokens == sum(row.tokens_in + row.tokens_out for row in rows)
    assert cost.seconds >= sum(cost.samples[:1])
    assert cost.energy_kwh is not None
    assert str(cost.energy_method).startswith("codecarbon")
    assert all("Reply with only the short answer." in row.prompt for row in rows)
    again = answer_split(system, examples, "dev", batch_size=2)
    assert again.blob == answers.blob


def test_batched_answers_are_what_the_system_replies_to_each_question(
    tiny_model: ModelRef, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "device_and_dtype", lambda: ("cpu", torch.float32))
    system = System(model=tiny_model, prompt=BARE)
    rows = get_rows(answer_split(system, examples, "dev", batch_size=3).blob, Answer)
    assert len({row.answer for row in rows}) > 1
    for row in rows:
        assert reply(system, row.question) == (row.answer, (), None, {})


def passage(document: str) -> Passage:
    return Passage(document=document, title="t", position=0, text=document, score=1, sha=document)


def test_every_answer_is_scored_with_what_it_was_shown() -> None:
    echo = Echo(lambda text: {"1": "Answer: red", "2": "I don't know."}.get(text[-2], "dark red"))
    asked = [question(0, "dev"), question(1, "dev"), lost(2, "dev")]
    found = ((passage("x"), passage("dev-0")), (passage("x"), passage("y")), (passage("x"),))
    rows = generate_answers(echo, BARE, asked, found)  # type: ignore[arg-type]
    assert [row.answer for row in rows] == ["dark red", "red", "I don't know"]
    assert [row.scores["exact_match"] for row in rows] == [0, 1, 1]
    assert [row.scores["contains"] for row in rows] == [1, 1, 1]
    assert rows[0].scores["f1"] == pytest.approx(2 / 3)
    assert [row.scores.get("recall_at_k") for row in rows] == [1, 0, None]
    assert [row.scores.get("mrr") for row in rows] == [0.5, 0, None]
    assert [row.cluster for row in rows] == ["dev-0", "dev-0", "dev-02"]
    assert rows[0].passages == found[0]
    assert rows[0].prompt.endswith("x\n\ndev-0\n\nQuestion: Which colour 0?")


def test_retrieval_that_finds_nothing_is_scored_as_a_miss() -> None:
    echo = Echo(lambda _: "red")
    (row,) = generate_answers(echo, BARE, [question(0, "dev")], [()])  # type: ignore[arg-type]
    assert (row.scores["recall_at_k"], row.scores["mrr"]) == (0, 0)


def test_a_path_without_retrieval_has_no_retrieval_scores() -> None:
    echo = Echo(lambda _: "red")
    (row,) = generate_answers(echo, BARE, [question(0, "dev")], None)  # type: ignore[arg-type]
    assert set(row.scores).isdisjoint({"recall_at_k", "mrr"})


def test_retrieving_asks_all_questions_at_once_as_the_system_says(
    record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], Search]] = []

    class Shelf:
        def search(self, texts: list[str], how: Search) -> tuple[tuple[Passage, ...], ...]:
            seen.append((texts, how))
            return tuple((passage(text),) for text in texts)

    monkeypatch.setattr(answering, "open_index", lambda index: Shelf())
    retrieval = next(c.system.retrieval for c in record.scorecards if c.system.retrieval)
    keyword = Retrieval(index=retrieval.index, k=4, mode="keyword", alpha=0.2)
    found = answering.retrieve(keyword, [question(0, "dev"), question(1, "dev")])
    assert [row[0].document for row in found] == ["Which colour 0?", "Which colour 1?"]
    assert seen == [(["Which colour 0?", "Which colour 1?"], keyword)]


def test_the_questions_digest_follows_what_is_asked_and_expected() -> None:
    one, other = question(0, "dev"), question(1, "dev")
    first = questions_digest([one, other])
    assert questions_digest([one, other]) == first
    assert questions_digest([other, one]) != first
    assert questions_digest([one.model_copy(update={"answers": ("blue",)}), other]) != first
    assert questions_digest([one.model_copy(update={"split": "test"}), other]) == first


def answered(n: int, kind: str, f1: float, **scores: float) -> Answer:
    return Answer(
        question_id=f"q{n}", cluster=f"d{n // 2}", kind=kind, question="?", expected=("a",),
        prompt="p", passages=(), answer="a", tokens_in=8, tokens_out=2,
        scores={"f1": f1, "exact_match": f1, "contains": f1, "refused": 0.0, **scores},
    )  # fmt: skip


COST = Cost(
    seconds=6.0, tokens=80, energy_kwh=0.008, energy_method="counters", device="cpu",
    dtype="float32", machine="m", run="then", samples=(0.5, 1.0, 0.75),
)  # fmt: skip
ROWS = (
    *(answered(n, "seen", 1.0, recall_at_k=1.0, mrr=0.5) for n in range(6)),
    *(answered(n, "lost", 0.0) for n in range(6, 8)),
)


def answers(**cost: Any) -> Answers:
    return Answers(
        blob=put_rows(ROWS), system="s", questions_sha="qs", split="dev", n=len(ROWS),
        cost=COST.model_copy(update=cost),
    )  # fmt: skip


def carded(model: ModelRef, **given: Any) -> Scorecard:
    system = System(model=model, prompt=BARE, adapter=given.pop("adapter", None))
    return scorecard(
        system, given.pop("answers", answers()), "f1", given.get("general"), given.get("base"),
        given.get("training"), given.get("run", "now"),
    )  # fmt: skip


def test_a_scorecard_has_means_with_intervals_for_all_and_for_each_kind(
    tiny_model: ModelRef,
) -> None:
    card = carded(tiny_model)
    assert card.metrics["f1"].value == 0.75
    assert 0 <= card.metrics["f1"].low < 0.75 < card.metrics["f1"].high <= 1
    assert {kind: found["f1"].value for kind, found in card.by_kind.items()} == {
        "seen": 1.0, "lost": 0.0,
    }  # fmt: skip
    assert (card.n, card.split, card.path, card.questions_digest) == (8, "dev", "prompt", "qs")
    assert card.answers == {"uri": answers().blob.uri, "digest": answers().blob.sha}


def test_retrieval_metrics_are_of_questions_with_a_known_source_alone(
    tiny_model: ModelRef,
) -> None:
    card = carded(tiny_model)
    assert card.metrics["recall_at_k"].value == 1.0
    assert card.metrics["mrr"].value == 0.5
    assert "mrr" not in card.by_kind["lost"]


def test_costs_are_shared_out_and_say_which_run_measured_them(tiny_model: ModelRef) -> None:
    card = carded(tiny_model)
    assert card.cost["seconds_per_question"] == 0.75
    assert card.cost["tokens_per_question"] == 10
    assert card.cost["energy_kwh_per_question"] == pytest.approx(0.001)
    assert card.cost["train_seconds"] == 0
    assert card.cost["reused_from"] == "then"
    assert carded(tiny_model, run="then").cost["reused_from"] is None
    seconds = card.metrics["seconds_per_question"]
    assert seconds.value == pytest.approx(0.75)
    assert 0 <= seconds.low < seconds.high < math.inf


def test_energy_that_was_not_measured_is_none_and_not_zero(tiny_model: ModelRef) -> None:
    card = carded(tiny_model, answers=answers(energy_kwh=None, energy_method=None, samples=()))
    assert card.cost["energy_kwh_per_question"] is None
    assert card.cost["energy_kwh"] is None
    assert "seconds_per_question" not in card.metrics


def test_one_batch_alone_gives_no_interval_of_seconds(tiny_model: ModelRef) -> None:
    card = carded(tiny_model, answers=answers(samples=(0.5,)))
    assert "seconds_per_question" not in card.metrics
    assert card.cost["seconds_per_question"] > 0


def kept(*correct: int) -> GeneralScore:
    accuracy = Interval(sum(correct) / len(correct), 0.0, 1.0)
    return GeneralScore(accuracy=accuracy, loss=Interval(3.0, 2.0, 4.0), correct=correct)


def test_forgetting_is_of_tuned_systems_alone(tiny_model: ModelRef, record: RunRecord) -> None:
    base, after = kept(1, 1, 1, 1), kept(1, 1, 0, 1)
    adapter, training = record.trainings[0].adapter, record.trainings[0]
    plain = carded(tiny_model, general=base, base=base)
    assert "forgetting" not in plain.metrics
    assert plain.metrics["general_accuracy"].value == 1
    tuned = carded(tiny_model, general=after, base=base, adapter=adapter, training=training)
    assert tuned.path == "finetune"
    assert tuned.metrics["forgetting"].value == pytest.approx(0.25)
    assert tuned.metrics["general_accuracy"].value == 0.75
    assert tuned.metrics["general_loss"].value == 3
    assert tuned.cost["train_seconds"] == 90
    assert tuned.cost["train_reused_from"] is None  # measured by the run named "now"
    assert carded(tiny_model, run="later", training=training).cost["train_reused_from"] == "now"
    assert "general_accuracy" not in carded(tiny_model).metrics


def test_candidates_with_refusal_show_it(examples: ExampleSet, home: Path) -> None:
    train = [q for q in get_rows(examples.questions, Question) if q.split == "train"]
    shown = demonstrators(train, 2, 7)
    texts = {p.name: p.demonstrations for p in candidates("prompt", SPEC, shown)}
    assert texts["plain examples, refusal"][-1][1] == REFUSAL
    assert all(answer != REFUSAL for _, answer in texts["plain examples"])

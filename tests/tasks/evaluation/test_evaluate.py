"""Which prompt is chosen, and what answering a split gives."""

from collections.abc import Callable, Iterator

import pytest
import torch

from tasks.artifacts import Adapter, Answer, ExampleSet, ModelRef, Prompt, Question, System
from tasks.evaluation import evaluate
from tasks.evaluation.answering import reply
from tasks.evaluation.evaluate import answer_split, choose_prompt, questions_digest
from tasks.models import loading
from tasks.models.loading import load_decoder
from tasks.results.record import RunRecord
from tasks.run import AnsweringSpec
from tasks.sampling import hold_out
from tasks.store import get_rows, put_rows
from tasks.task.question_answering import demonstrators
from tests.tasks.asking import BARE, Echo, lost, question

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def examples() -> ExampleSet:
    rows = [
        *(question(n, "train") for n in range(30)), *(lost(n, "train") for n in range(30, 35)),
        *(question(n, "dev") for n in range(4)), lost(4, "dev"), question(0, "test"),
    ]  # fmt: skip
    return ExampleSet(questions=put_rows(rows), counts=())


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


def test_the_questions_digest_follows_what_is_asked_and_expected() -> None:
    one, other = question(0, "dev"), question(1, "dev")
    first = questions_digest([one, other])
    assert questions_digest([one, other]) == first
    assert questions_digest([other, one]) != first
    assert questions_digest([one.model_copy(update={"answers": ("blue",)}), other]) != first
    assert questions_digest([one.model_copy(update={"split": "test"}), other]) == first

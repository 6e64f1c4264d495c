"""What is asked of a model that rewords, what is kept of it, and what is learnt from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.steps import ByContent
from tasks.artifacts import (
    ExampleSet,
    ModelRef,
    Paraphrase,
    Paraphrases,
    Passage,
    Question,
)
from tasks.data.questions import stored
from tasks.models.classifier import load_classifier
from tasks.models.references import resolve
from tasks.models.spending import BudgetError, spending
from tasks.prompts import training_prompt
from tasks.run import AnsweringSpec, ModelSpec, TrainingSpec
from tasks.sampling import hold_out
from tasks.training import finetune as module
from tasks.training.finetune import finetune
from tasks.training.loop import Lesson
from tasks.training.paraphrase import (
    ANSWERED,
    BROKEN,
    INSTRUCTIONS,
    LEAKING,
    REPEATED,
    STRETCHED,
    keep,
    paraphrase,
    read_paraphrases,
    reworded,
    sentence,
)
from tasks.training.tuning import train_path
from tests.peer import Peer, answer, refuse, serving
from tests.tasks.models.hosting import KEY, point_at, run_of
from tests.tiny import build_tiny_encoder

HOSTED = ModelRef(ref="openai:m", name="m", size_class="large", open_weights=False, weights="w")
SPEC = TrainingSpec(rank=4, epochs=1, replay=0.5, max_tokens=200, batch_size=4)
PIER = Passage(document="p", title="p", position=0, text="Lit in 1886.", score=1, sha="p")
SUBJECTS = ("harbour", "lamp", "ferry", "mole", "keeper", "buoy", "quay", "tide", "sluice", "bell")


def question(name: str, text: str, split: Any = "train", **more: Any) -> Question:
    return Question(id=name, question=text, answers=("red",), split=split, **more)


TRAIN = [question(f"q{n}", f"Who looks after the {one}?") for n, one in enumerate(SUBJECTS)]
OTHERS = [
    question("d", "Which day does the weighing house open?", "dev"),
    question("t", "When was the customs house built?", "test"),
]


@pytest.fixture
def examples(home: Path) -> ExampleSet:
    return stored([*TRAIN, *OTHERS], ())


@pytest.fixture
def peer(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """A model that turns every question round in one and the same way."""
    with serving(answer(lambda text: f"{text[4:-1]}, by whom?")) as started:
        point_at(started.url, monkeypatch)
        yield started


def asked(model: ModelRef, examples: ExampleSet, wordings: int = 1, **changed: Any) -> Paraphrases:
    given: dict[str, Any] = {
        "near_duplicate": 0.8, "validation": 0.1, "task": "question-answering", "seed": 7,
        "batch_size": 4,
    }  # fmt: skip
    return paraphrase(model, examples, wordings, **given | changed)


def kept(*drafts: tuple[Question, str]) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    found, dropped = keep(drafts, TRAIN, OTHERS, 0.6)
    return [(one.id, one.text) for one in found], {why: of for why, of in dropped.items() if of}


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        ("", BROKEN),
        ("  \n ", BROKEN),
        ("Sure!\nWho minds the harbour?", BROKEN),
        ("Who?", STRETCHED),
        ("Who has been looking after all of the harbour for so many long years?", STRETCHED),
        ("The keeper looks after the harbour.", ANSWERED),
        ("who looks after the HARBOUR ?", REPEATED),
        ("Who looks after the lamp?", REPEATED),  # another question that is learnt from
        ("On which day does the weighing house open?", LEAKING),
    ],
)  # fmt: skip
def test_what_is_no_other_wording_is_left_out_and_says_why(draft: str, reason: str) -> None:
    assert kept((TRAIN[0], draft)) == ([], {reason: ["q0"]})


def test_other_wordings_are_kept_without_quotes_under_names_of_their_own() -> None:
    found, dropped = kept(
        (TRAIN[0], ' "Whose job is the harbour?"\n'), (TRAIN[0], "Whose job is the Harbour ?"),
        (TRAIN[0], "Who keeps the harbour?"), (TRAIN[1], "Who minds the lamp?"),
    )  # fmt: skip
    assert found == [
        ("q0~1", "Whose job is the harbour?"), ("q0~2", "Who keeps the harbour?"),
        ("q1~1", "Who minds the lamp?"),
    ]  # fmt: skip
    assert dropped == {REPEATED: ["q0"]}


def test_a_name_that_a_question_has_is_not_given_again() -> None:
    learn = [TRAIN[0], question("q0~1", "Who rings the bell?")]
    found, _ = keep([(TRAIN[0], "Who keeps the harbour?")], learn, [], 0.8)
    assert [(one.id, one.of) for one in found] == [("q0~2", "q0")]


def test_a_paraphrase_has_all_of_its_question_but_the_words() -> None:
    about = question("a", "Who?", document="doc", kind="people")
    made = [Paraphrase(id="a~1", of="a", text="Which one?"), Paraphrase(id="b~1", of="b", text="?")]
    (one,) = reworded([about], made)
    assert one == about.model_copy(update={"id": "a~1", "question": "Which one?"})


def test_only_what_is_learnt_from_is_sent_once_for_each_instruction(
    peer: Peer, examples: ExampleSet
) -> None:
    learn, held = hold_out(TRAIN, 0.1, 7)
    made = asked(HOSTED, examples, 2)
    sent = [
        (body["messages"][0]["content"], body["messages"][1]["content"]) for body in peer.bodies
    ]
    assert sorted(text for _, text in sent) == sorted([one.question for one in learn] * 2)
    assert len({told for told, _ in sent}) == 2
    assert all("question" in told for told, _ in sent)
    assert not any(one.question in text for one in (*held, *OTHERS) for _, text in sent)
    # This peer heeds no instruction: every second answer repeats the first.
    assert (made.asked, made.kept) == (2 * len(learn), len(learn))
    found = read_paraphrases(made)
    assert [(one.id, one.of) for one in found] == [(f"{one.id}~1", one.id) for one in learn]
    assert found[0].text == f"{learn[0].question[4:-1]}, by whom?"
    assert sentence(made) == f"paraphrases by openai:m: 9 of 18 kept ({REPEATED}: 9)"
    assert made.cost.tokens == 18 * 12
    assert (made.cost.energy_kwh, made.cost.device) == (None, "hosted")  # nobody measures it here


def test_a_second_time_nothing_is_paid_for_and_a_limit_ends_the_first(
    peer: Peer, examples: ExampleSet
) -> None:
    with pytest.raises(BudgetError), spending(run_of(limits={"hosted_tokens": 20})):
        asked(HOSTED, examples)
    with spending(run_of()) as account:
        first = asked(HOSTED, examples)
    paid = len(peer.bodies)
    peer.usual = refuse(500)
    assert asked(HOSTED, examples).digest == first.digest
    assert len(peer.bodies) == paid
    assert account.total().sent > 0


def test_the_key_of_the_stage_knows_no_secret(
    peer: Peer, examples: ExampleSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = ByContent(name="paraphrase", module="tasks.training.paraphrase", tensors=True)
    key = policy.key({"model": HOSTED, "examples": examples, "wordings": 2})
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}-renewed")
    assert policy.key({"model": HOSTED, "examples": examples, "wordings": 2}) == key
    assert policy.key({"model": HOSTED, "examples": examples, "wordings": 3}) != key


def test_a_text_of_several_lines_is_not_asked_for(peer: Peer, home: Path) -> None:
    long = [question(f"q{n}", f"One line.\nAnother line {n}.") for n in range(10)]
    made = asked(HOSTED, stored([*long, *OTHERS], ()))
    assert (made.asked, made.kept, made.dropped) == (0, 0, ())
    assert read_paraphrases(made) == ()
    assert peer.bodies == []


def test_a_local_model_is_asked_greedily_and_what_it_does_not_end_is_left_out(
    tiny_model: ModelRef, examples: ExampleSet
) -> None:
    made, again = (asked(tiny_model, examples, len(INSTRUCTIONS)) for _ in range(2))
    assert made.asked == 9 * len(INSTRUCTIONS)
    assert made.kept + sum(one.count for one in made.dropped) == made.asked
    assert made.digest == again.digest
    assert made.cost.tokens > 0


def lesson_of(
    monkeypatch: pytest.MonkeyPatch, model: ModelRef, paraphrases: list[Paraphrase], **more: Any
) -> tuple[Any, list[str], list[str]]:
    """A real training; what it learns from and stops by is noted in passing, as text."""
    from tasks.models.loading import load_tokenizer

    lessons: list[Lesson] = []
    real = module.search

    def noted(lesson: Lesson, *given: Any) -> Any:
        lessons.append(lesson)
        return real(lesson, *given)

    monkeypatch.setattr(module, "search", noted)
    prompt = training_prompt("finetune", AnsweringSpec())
    examples = [(one, (PIER,) if more.get("passages") else None) for one in TRAIN]
    share = more.get("share", 1.0)
    made = finetune(model, [(prompt, examples)], (), SPEC, 7, share, paraphrases)
    decode = load_tokenizer(model.ref).tokenizer.decode
    rows, checks = (
        [decode(row["input_ids"]) for row in part] for part in (lessons[0].rows, lessons[0].checks)
    )
    return made, rows, checks


def each(text: str = "Whose is the {}?") -> list[Paraphrase]:
    return [
        Paraphrase(id=f"{one.id}~1", of=one.id, text=text.format(subject))
        for one, subject in zip(TRAIN, SUBJECTS, strict=True)
    ]


@pytest.mark.usefixtures("home")
def test_paraphrases_are_learnt_from_with_the_same_answer_and_passages_and_never_held_out(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, (held,) = hold_out(TRAIN, SPEC.validation, 7)
    made, rows, checks = lesson_of(monkeypatch, tiny_model, each(), passages=True)
    assert (made.examples, made.paraphrased) == (9, 9)
    assert len(rows) == 18
    new = [row for row in rows if "Whose is" in row]
    assert len(new) == 9
    assert all("Lit in 1886." in row and row.endswith("red<|im_end|>") for row in new)
    away = SUBJECTS[int(held.id[1:])]
    assert not any(away in row for row in rows)
    assert len(checks) == 1
    assert held.question in checks[0]


@pytest.mark.usefixtures("home")
def test_a_share_of_the_examples_brings_its_own_paraphrases_alone(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn, _ = hold_out(TRAIN, SPEC.validation, 7)
    made, rows, _ = lesson_of(monkeypatch, tiny_model, each(), share=1 / 3)
    assert (made.examples, made.paraphrased) == (3, 3)
    own = {SUBJECTS[int(one.id[1:])] for one in learn[:3]}
    new = [row for row in rows if "Whose is" in row]
    assert {one for one in SUBJECTS if any(f"the {one}?" in row for row in new)} == own


@pytest.mark.usefixtures("home")
def test_a_paraphrase_beyond_the_limit_stops_nothing(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rows, _ = lesson_of(monkeypatch, tiny_model, each("Whose " * 200 + "is the {}?"))
    assert (made.examples, made.paraphrased) == (9, 0)
    assert len(rows) == 9


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    folder = build_tiny_encoder(tmp_path_factory.mktemp("models") / "tiny")
    return resolve(ModelSpec(ref=f"path:{folder}", params=2e4, size_class="small"))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_an_encoder_learns_from_paraphrases_and_the_training_tells_what_was_kept(
    encoder: ModelRef, peer: Peer
) -> None:
    peer.usual = answer(lambda text: text.replace("the pier", "that long pier"))
    labels = ("a", "b")
    rows = [
        Question(id=f"{split}{n}", question=f"the pier {split} {n}", answers=(labels[n % 2],),
                 kind=labels[n % 2], split=split)
        for split in ("train", "dev", "test")
        for n in range(10)
    ]  # fmt: skip
    labelled = stored(rows, (), labels)
    made = asked(HOSTED, labelled, task="classification")
    assert "this text" in peer.bodies[0]["messages"][0]["content"]
    assert (made.asked, made.kept) == (9, 9)
    prompt = training_prompt("finetune", AnsweringSpec(), "classification", labels, generates=False)
    spec = TrainingSpec(encoder_epochs=1, batch_size=4)
    trained = train_path(
        encoder, "finetune", labelled, None, None, prompt, spec, 7, paraphrases=made
    )
    load_classifier.cache_clear()
    assert (trained.examples, trained.paraphrased) == (9, 9)
    assert trained.notes[-1] == (
        "learnt from 9 paraphrases as well; paraphrases by openai:m: 9 of 9 kept"
    )

import pytest

from tasks.artifacts import Passage, PathName, Prompt, Question
from tasks.prompts import candidates, chat, is_tuned, plain, reads_passages, training_prompt
from tasks.run import AnsweringSpec
from tasks.task.question_answering import REFUSAL, demonstrators, target

SPEC = AnsweringSpec(max_new_tokens=17)
PASSAGES = tuple(
    Passage(document=name, title=name, position=0, text=text, score=1.0, sha=name)
    for name, text in (("pier", "The pier was built in 1886."), ("buoy", "The buoy is red."))
)
LIT = Question(id="lit", question="Who lit it?", answers=("Maud Quill", "Quill"), document="lamp")
COST = Question(id="cost", question="What is the toll?", answers=("two pence",), document="ferry")
NOBODY = Question(id="nobody", question="Who dug it?", answers=(), answerable=False)
SHOWN = (LIT, COST, NOBODY)
REFUSING = f"Answer in a few words, or say: {REFUSAL}"


def texts(path: PathName) -> dict[str, str]:
    """What each candidate of a path asks, by name, in the style that it names."""
    passages = PASSAGES if reads_passages(path) else None
    return {
        prompt.name: plain(prompt, "When?", passages)
        if prompt.style == "plain"
        else "|".join(": ".join(turn) for turn in chat(prompt, "When?", passages))
        for prompt in candidates(path, SPEC, SHOWN)
    }


PAIRS = "Q: Who lit it?\nA: Maud Quill\nQ: What is the toll?\nA: two pence\n"
REFUSED = f"Q: Who dug it?\nA: {REFUSAL}\n"
FOUND = "The pier was built in 1886.\n\nThe buoy is red."


def test_prompt_path_asks_with_instruction_examples_or_both() -> None:
    assert texts("prompt") == {
        "brief": "system: Reply with only the short answer.|user: When?",
        "plain examples": f"{PAIRS}Q: When?\nA:",
        "plain examples, refusal": f"{REFUSING}\n\n{PAIRS}{REFUSED}Q: When?\nA:",
    }


def test_rag_path_puts_the_passages_before_the_question() -> None:
    asked = "Question: When?"
    assert texts("rag") == {
        "brief": "system: Use the passages. Reply with only the short answer.|"
        f"user: {FOUND}\n\n{asked}",
        "plain examples": f"{FOUND}\n\n{PAIRS}Q: When?\nA:",
        "plain examples, refusal": f"{FOUND}\n\nUse the passages. {REFUSING}\n\n"
        f"{PAIRS}{REFUSED}Q: When?\nA:",
    }


def test_finetune_path_asks_the_bare_question() -> None:
    assert texts("finetune") == {
        "brief": "system: Reply with only the short answer.|user: When?",
        "bare": "system: Answer.|user: When?",
        "refusal": f"system: Reply with only the short answer, or say: {REFUSAL}|user: When?",
    }


def test_finetune_rag_path_asks_with_passages() -> None:
    asked = f"|user: {FOUND}\n\nQuestion: When?"
    short = "system: Use the passages. Reply with only the short answer"
    assert texts("finetune+rag") == {
        "brief": f"{short}.{asked}",
        "bare": f"system: Use the passages. Answer.{asked}",
        "refusal": f"{short}, or say: {REFUSAL}{asked}",
    }


@pytest.mark.parametrize("path", ["prompt", "rag", "finetune", "finetune+rag"])
def test_every_path_chooses_among_three_prompts_of_the_same_length_of_answer(
    path: PathName,
) -> None:
    made = candidates(path, SPEC, SHOWN)
    assert len({prompt.name for prompt in made}) == 3
    assert {prompt.max_new_tokens for prompt in made} == {17}
    if is_tuned(path):
        assert not any(prompt.demonstrations for prompt in made)


def test_candidates_with_refusal_show_it() -> None:
    made = candidates("prompt", SPEC, demonstrators(pool(), 2, 7))
    shown = {prompt.name: prompt.demonstrations for prompt in made}
    assert shown["plain examples, refusal"][-1][1] == REFUSAL
    assert all(answer != REFUSAL for _, answer in shown["plain examples"])


@pytest.mark.parametrize("path", ["finetune", "finetune+rag"])
def test_an_adapter_is_trained_with_a_prompt_that_its_path_may_choose(path: PathName) -> None:
    trained = training_prompt(path, SPEC)
    assert trained == candidates(path, SPEC, SHOWN)[0]
    assert trained.instruction.startswith("Use the passages.") == (path == "finetune+rag")


def test_demonstrations_of_a_chat_are_turns_before_the_question() -> None:
    prompt = Prompt(name="p", instruction="Be brief.", demonstrations=(("Who?", "Quill"),))
    assert chat(prompt, "When?", None) == (
        ("system", "Be brief."), ("user", "Who?"), ("assistant", "Quill"), ("user", "When?"),
    )  # fmt: skip


def test_nothing_found_is_said_to_a_tuned_model_as_an_empty_place() -> None:
    prompt = training_prompt("finetune+rag", SPEC)
    assert chat(prompt, "When?", ())[-1] == ("user", "\n\nQuestion: When?")
    assert plain(Prompt(name="p", style="plain", instruction=""), "When?", ()) == "Q: When?\nA:"


def test_target_is_the_first_accepted_answer_or_the_refusal() -> None:
    assert target(LIT) == "Maud Quill"
    assert target(NOBODY) == REFUSAL


def pool() -> list[Question]:
    known = [
        Question(id=f"q{n}", question=f"{n}?", answers=("a",), document=f"d{n // 3}")
        for n in range(30)
    ]
    lost = [Question(id=f"u{n}", question="?", answers=(), answerable=False) for n in range(5)]
    return known + lost


def test_demonstrators_are_of_different_documents_and_one_without_answer_comes_last() -> None:
    shown = demonstrators(pool(), 4, seed=1)
    assert len(shown) == 5
    assert [question.answerable for question in shown] == [True] * 4 + [False]
    assert len({question.document for question in shown[:4]}) == 4


def test_demonstrators_depend_on_the_seed_and_not_on_the_order_given() -> None:
    assert demonstrators(pool(), 4, 1) == demonstrators(pool()[::-1], 4, 1)
    assert demonstrators(pool(), 4, 1) != demonstrators(pool(), 4, 2)


def test_no_demonstrations_are_wanted_and_none_are_shown() -> None:
    assert demonstrators(pool(), 0, 1) == ()


def test_demonstrators_are_as_many_as_there_are() -> None:
    assert demonstrators([LIT, COST], 4, 1) in [(LIT, COST), (COST, LIT)]
    assert demonstrators([], 4, 1) == ()

"""ROUGE and sacrebleu as they come, on the cases where their use can go wrong."""

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF

from tasks.artifacts import Answer
from tasks.task.similarity import ROUGE, chrf, corpus_scores, rouge

ENGLISH = ("The Night-watch closed gate 12 at 5:15.", "Gate 12 was closed by the night watch.")


def test_rouge_is_the_librarys_own_for_english() -> None:
    own = RougeScorer(ROUGE).score(ENGLISH[1], ENGLISH[0])
    assert rouge(ENGLISH[0], ENGLISH[1:]) == {name: own[name].fmeasure for name in ROUGE}


def test_rouge_counts_letters_of_any_script() -> None:
    assert rouge("Überfälle Москва", ["überfälle москва"])["rouge1"] == 1
    assert RougeScorer(["rouge1"]).score("Москва", "Москва")["rouge1"].fmeasure == 0


def test_each_rouge_is_that_of_its_best_reference() -> None:
    both = rouge("a b c d", ["a b x y", "d c b a"])
    assert both["rouge1"] == rouge("a b c d", ["d c b a"])["rouge1"] == 1
    assert both["rouge2"] == rouge("a b c d", ["a b x y"])["rouge2"] > 0


@pytest.mark.parametrize("empty", ["", " ", "?"])
def test_an_answer_without_words_scores_nothing(empty: str) -> None:
    assert set(rouge(empty, ["a b"]).values()) == {0}
    assert chrf("", ["a b"]) == {"chrf": 0}


def test_chrf_is_sacrebleus_for_a_sentence_from_0_to_1() -> None:
    own = CHRF().sentence_score(ENGLISH[0], list(ENGLISH[1:])).score
    assert chrf(ENGLISH[0], ENGLISH[1:])["chrf"] == pytest.approx(own / 100)
    assert chrf("same", ["other", "same"])["chrf"] == pytest.approx(1)


def row(answer: str, *expected: str) -> Answer:
    return Answer(
        question_id=answer, cluster="c", kind="all", question="q", expected=expected, prompt="",
        passages=(), answer=answer, scores={}, tokens_in=1, tokens_out=1,
    )  # fmt: skip


def test_corpus_scores_are_those_of_all_answers_with_their_signature() -> None:
    rows = [
        row("the cat sat on the mat", "the cat sat on a mat"),
        row("a dog ran off", "a dog ran"),
    ]
    bleu, corpus_chrf = corpus_scores(rows)
    answers, references = [one.answer for one in rows], [[one.expected[0] for one in rows]]
    assert bleu.value == pytest.approx(BLEU().corpus_score(answers, references).score)
    assert corpus_chrf.value == pytest.approx(CHRF().corpus_score(answers, references).score)
    assert bleu.signature.startswith("nrefs:1|case:mixed|")
    assert "nc:6" in corpus_chrf.signature


def test_answers_may_have_different_numbers_of_references() -> None:
    rows = [row("a b c d", "x y z", "a b c d"), row("e f g h", "e f g h")]
    bleu, _ = corpus_scores(rows)
    assert bleu.value == pytest.approx(100)
    assert "nrefs:var" in bleu.signature

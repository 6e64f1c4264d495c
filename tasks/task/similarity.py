"""How near a text is to its references: ROUGE and chrF for each, BLEU and chrF for all.

Computed by `rouge-score` and `sacrebleu`, which are imported where they are first used.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from tasks.artifacts import Answer, CorpusScore

ROUGE = ("rouge1", "rouge2", "rougeL")
_WORD = re.compile(r"[^\W_]+")


class Words:
    """Tokens for ROUGE: words of letters and digits in lower case, of any script.

    `rouge-score`'s own tokenizer gives the same for ASCII and drops every other letter.
    """

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, unstemmed."""
        return _WORD.findall(text.lower())


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(ROUGE, tokenizer=Words())


@cache
def _metric(name: str) -> Any:
    from sacrebleu.metrics import BLEU, CHRF

    return {"BLEU": BLEU, "chrF": CHRF}[name]()


def rouge(answer: str, references: Sequence[str]) -> dict[str, float]:
    """F1 of ROUGE-1, ROUGE-2 and ROUGE-L, each that of the best reference, from 0 to 1.

    Words are not stemmed, whatever the language.
    """
    scores = _rouge().score_multi(list(references), answer)
    return {name: float(score.fmeasure) for name, score in scores.items()}


def chrf(answer: str, references: Sequence[str]) -> dict[str, float]:
    """Sentence chrF2 of the best reference, from 0 to 1 (sacrebleu's is from 0 to 100)."""
    return {"chrf": float(_metric("chrF").sentence_score(answer, list(references)).score) / 100}


def corpus_scores(rows: Sequence[Answer]) -> tuple[CorpusScore, ...]:
    """BLEU and chrF2 of all answers together, from 0 to 100, with sacrebleu's signatures."""
    answers = [row.answer for row in rows]
    most = max(len(row.expected) for row in rows)
    # One list for each place that a reference may have; None where an answer has fewer.
    references = [
        [row.expected[at] if at < len(row.expected) else None for row in rows] for at in range(most)
    ]
    scores = []
    for name in ("BLEU", "chrF"):
        metric = _metric(name)
        value = float(metric.corpus_score(answers, references).score)
        signature = str(metric.get_signature())
        scores.append(CorpusScore(name=f"corpus {name}", value=value, signature=signature))
    return tuple(scores)

"""A judge model says yes or no to answers; nothing tells it which path or model they are from."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tasks.artifacts import (
    Agreement,
    Answer,
    Blob,
    Cost,
    Judge,
    Judged,
    LabelledAnswer,
    Messages,
    Scorecard,
)
from tasks.core.labels import kappa_values, normalised
from tasks.core.stats import Interval, mean_interval
from tasks.machine import PROCESS
from tasks.models.answerer import load_answerer
from tasks.models.metering import asking
from tasks.models.outputs import Choice
from tasks.prompts import first_words
from tasks.run import Price
from tasks.store import get_rows, put_rows
from tasks.task.metrics import JUDGED, by_kind, intervals

YES, NO = ("Yes", "yes"), ("No", "no")  # as models write them


class Said(NamedTuple):
    """What a judge says of each answer, and what it took."""

    yes: list[bool]
    tokens_in: int
    tokens_out: int
    cost: Cost


def judge_answers(judge: Judge, answers: Blob, batch_size: int) -> Judged:
    """Answers with the judge's verdict as the score `judged`: 1 where it says yes, else 0."""
    rows = get_rows(answers, Answer)
    asked = [messages(judge, row.question, row.expected, row.answer) for row in rows]
    said = _ask(judge, asked, [row.question_id for row in rows], batch_size)
    marked = [
        row.model_copy(update={"scores": {**row.scores, JUDGED: float(yes)}})
        for row, yes in zip(rows, said.yes, strict=True)
    ]
    return Judged(answers=put_rows(marked), **_took(said))


def judge_labelled(judge: Judge, labelled: Blob, batch_size: int) -> Agreement:
    """How far a judge agrees with people, with 95% intervals; answers to one text are a cluster."""
    rows = get_rows(labelled, LabelledAnswer)
    asked = [messages(judge, row.text, row.references, row.answer) for row in rows]
    names = [f"labelled answer {number}" for number in range(1, len(rows) + 1)]
    said = _ask(judge, asked, names, batch_size)
    return agreement(said, rows)


def agreement(said: Said, rows: Sequence[LabelledAnswer]) -> Agreement:
    """What a judge said beside people's verdicts, which hold both a yes and a no."""
    texts, good = [row.text for row in rows], [row.good for row in rows]

    def share(values: Sequence[bool], among: Sequence[bool]) -> Interval:
        chosen = [i for i, one in enumerate(among) if one]
        return mean_interval(
            [float(values[i]) for i in chosen], [texts[i] for i in chosen], bounds=(0, 1)
        )

    right = [yes == one for yes, one in zip(said.yes, good, strict=True)]
    return Agreement(
        n=len(rows),
        accuracy=share(right, [True] * len(rows)),
        kappa=mean_interval(kappa_values(said.yes, good), texts, bounds=(-1, 1)),
        yes_where_no=share(said.yes, [not one for one in good]),
        no_where_yes=share([not yes for yes in said.yes], good),
        **_took(said),
    )


def messages(judge: Judge, text: str, references: Sequence[str], answer: str) -> Messages:
    """What the judge is shown of one answer: what was asked, what was wanted, what came."""
    parts = [("Instruction", judge.instruction)] if judge.instruction else []
    parts += [("Text", first_words(text, judge.text_words))]
    parts += [("Reference", one) for one in references]
    parts += [("Answer", answer)]
    shown = "\n\n".join(f"{name}:\n{part}" for name, part in parts)
    return (("user", f"{shown}\n\n{judge.question} Reply with only yes or no."),)


def says_yes(choice: Choice) -> bool:
    """Whether yes is likelier than no, each in either case; a tie is a no."""
    chances = normalised(choice.log_probabilities)
    return math.fsum(chances[: len(YES)]) > math.fsum(chances[len(YES) :])


def _ask(judge: Judge, asked: Sequence[Messages], names: Sequence[str], batch_size: int) -> Said:
    answerer = load_answerer(judge.model.ref)
    with asking(judge.model) as meter:
        prompts = [answerer.render(one) for one in asked]
        made = answerer.choose(
            prompts, (*YES, *NO), batch_size, "judging", meter.samples,
            [f"the judge, {name}" for name in names],
        )  # fmt: skip
        read, written = sum(one.tokens_in for one in made), sum(one.tokens_out for one in made)
        meter.tokens = read + written
    return Said([says_yes(one) for one in made], read, written, meter.measured())


def _took(said: Said) -> dict[str, object]:
    return {"tokens_in": said.tokens_in, "tokens_out": said.tokens_out, "cost": said.cost}


def judged_card(card: Scorecard, judged: Judged, price: Price | None) -> Scorecard:
    """A scorecard with the judge's verdicts among its metrics, and judging among its costs."""
    rows, took = get_rows(judged.answers, Answer), judged.cost
    kinds = by_kind(rows, [JUDGED])
    return card.model_copy(update={
        "metrics": card.metrics | intervals(rows, [JUDGED]),
        "by_kind": {kind: card.by_kind.get(kind, {}) | own for kind, own in kinds.items()},
        "answers": {"uri": judged.answers.uri, "digest": judged.answers.sha},
        "cost": card.cost | {
            "judge_seconds": took.seconds,
            "judge_tokens": took.tokens,
            "judge_money": price.of(judged.tokens_in, judged.tokens_out) if price else None,
            "judge_energy_kwh": took.energy_kwh,
            "judge_reused_from": took.run if took.run != PROCESS else None,
        },
    })  # fmt: skip

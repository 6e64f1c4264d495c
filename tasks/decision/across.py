"""The models' winners beside each other, as the last step of the decision reads them."""

from collections.abc import Callable, Sequence

from tasks.artifacts import Answer, Scorecard
from tasks.core.across import Contender, ModelChoice, choose_model
from tasks.core.decide import Verdict
from tasks.core.errors import InputError
from tasks.models.references import runs_already
from tasks.planning.plan import settings
from tasks.results.record import answers_of
from tasks.run import RunFile
from tasks.task.metrics import values

Rows = dict[str, Answer]


def winners(
    verdicts: Sequence[Verdict], cards: Sequence[Scorecard]
) -> tuple[tuple[Verdict, Scorecard], ...]:
    """Each measured verdict that names a path, with that path's scorecard on the dev questions."""
    dev: dict[tuple[str, str | None], Scorecard] = {
        (card.model, card.path): card for card in cards if card.split == "dev"
    }
    return tuple(
        (verdict, dev[verdict.model, verdict.path])
        for verdict in verdicts
        if verdict.basis == "measured" and (verdict.model, verdict.path) in dev
    )


def choose_among(
    run: RunFile,
    verdicts: Sequence[Verdict],
    cards: Sequence[Scorecard],
    read: Callable[[Scorecard], Sequence[Answer]] = answers_of,
) -> ModelChoice | None:
    """The last step over models; None where fewer than two of them have a winner.

    Winners are compared on the questions that all of them answered: all dev questions, or those
    that came first in the races.

    Raises:
        InputError: two winners answered other questions.
    """
    won = winners(verdicts, cards)
    if len(won) < 2:
        return None
    tables = [{row.question_id: row for row in read(card)} for _, card in won]
    shared = sorted(set.intersection(*map(set, tables)))
    _check_same([card for _, card in won], tables, shared)
    return choose_model(
        [
            _contender(run, verdict, [table[name] for name in shared])
            for (verdict, _), table in zip(won, tables, strict=True)
        ],
        settings(run),
    )


def _contender(run: RunFile, verdict: Verdict, rows: Sequence[Answer]) -> Contender:
    return Contender(
        model=verdict.model,
        path=verdict.path or "",
        params=verdict.params,
        runs=runs_already(verdict.model),
        scores=tuple(values(rows, run.decision.primary)),
        clusters=tuple(row.cluster for row in rows),
    )


def _check_same(cards: Sequence[Scorecard], tables: Sequence[Rows], shared: Sequence[str]) -> None:
    """Refuse winners without common questions, and questions that only share their ids."""
    first = [(tables[0][name].question, tables[0][name].expected) for name in shared]
    for card, table in zip(cards, tables, strict=True):
        if not shared or first != [(table[name].question, table[name].expected) for name in shared]:
            raise InputError(
                f"scorecard of {card.path} ({card.model})",
                f"questions {card.questions_digest}, {card.n} of them",
                f"the questions of {cards[0].model}: {cards[0].questions_digest}, "
                f"{cards[0].n} of them",
                "Only answers to the same questions can be compared: run again.",
            )  # fmt: skip

"""Why a finished run decided as it did: each path's number, and where the two best differ."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from tasks.artifacts import Answer, PathName, Scorecard, Value
from tasks.core.across import ModelChoice
from tasks.core.claims import Margin
from tasks.core.decide import Verdict
from tasks.core.errors import InputError
from tasks.core.race_record import Raced
from tasks.core.stats import Interval
from tasks.results.finished import Finished, answers_in, read_finished
from tasks.task.metrics import single, values

MOST_DIFFERENT = 10


class Side(Value):
    """One path's answer to one question, with what it was given to read."""

    path: PathName
    answer: str
    score: float
    passages: tuple[str, ...]


class Shown(Value):
    """One question with the answers side by side."""

    question_id: str
    question: str
    expected: tuple[str, ...]
    document: str
    sides: tuple[Side, ...]


class Fate(Value):
    """One path: its score, and the number that chose it or ruled it out."""

    path: str
    score: Interval | None
    n: int
    chosen: bool
    why: str


class Explained(Value):
    """One model's verdict explained; `best` are the two paths whose answers are compared.

    Where one question is asked about, `apart` is that one, `best` are all who answered it, and
    there is nothing of reasons, paths and flips.
    """

    model: str
    basis: str
    undecided: bool
    path: str | None
    metric: str
    best: tuple[str, ...]
    apart: tuple[Shown, ...]
    reasons: tuple[str, ...] = ()
    paths: tuple[Fate, ...] = ()
    flip_when: tuple[str, ...] = ()
    race: Raced | None = None


class Explanation(Value):
    """Every verdict of a run explained, and the last step over models where there was one.

    `question` is the one that was asked about, None where the whole run was; `noun` is what the
    task calls one.
    """

    folder: str
    models: tuple[Explained, ...]
    across: ModelChoice | None = None
    question: str | None = None
    noun: str = "question"


def explain(folder: Path, question: str | None = None) -> Explanation:
    """Explain a run from its folder; with `question` that one alone, as every path answered it.

    Raises:
        InputError: the folder holds no finished run, the answers are gone, or no path answered
            the question.
    """
    finished = read_finished(folder)
    if not finished.verdicts:
        raise InputError(
            str(folder / "verdict.json"), None, "a finished run's verdict.json",
            "Name the folder of a finished run: runs/<name>/<time>.",
        )  # fmt: skip
    if question is not None:
        models = _asked(finished, question)
        return Explanation(folder=str(folder), models=models, question=question)
    models = tuple(explained(finished, verdict) for verdict in finished.verdicts.values())
    return Explanation(
        folder=str(folder), models=models, across=finished.across, noun=finished.run.noun
    )


def explained(finished: Finished, verdict: Verdict) -> Explained:
    """One model's verdict, with the questions on which its two best paths differ most."""
    cards = finished.dev(verdict.model)
    metric = cards[0].primary if cards else finished.run.decision.primary
    best = two_best(cards, verdict.path)
    return Explained(
        model=verdict.model,
        basis=verdict.basis,
        undecided=verdict.undecided,
        path=verdict.path,
        metric=metric,
        reasons=verdict.reasons,
        paths=fates(verdict, cards, finished.run.decision.order),
        best=tuple(card.path for card in best),
        apart=differing(best) if len(best) == 2 else (),
        flip_when=tuple(flip.text for flip in verdict.flip_when),
        race=verdict.race,
    )


def fates(verdict: Verdict, cards: Sequence[Scorecard], order: Sequence[str]) -> tuple[Fate, ...]:
    """What became of each path, and by which number."""
    scored = {str(card.path): card for card in cards}
    found = []
    for path in order:
        card = scored.get(path)
        found.append(
            Fate(
                path=path,
                score=card.metrics[card.primary] if card else None,
                n=card.n if card else 0,
                chosen=path == verdict.path,
                why=_why(verdict, path, card is not None),
            )
        )
    return tuple(found)


def _why(verdict: Verdict, path: str, measured: bool) -> str:
    vetoes = [veto for veto in verdict.vetoes if veto.path == path]
    if vetoes:
        return "; ".join(f"{veto.text.removeprefix(f'{path}: ')} ({veto.basis})" for veto in vetoes)
    if path == verdict.path:
        return verdict.reasons[0]
    own = [margin for margin in verdict.margins if margin.path == path]
    ended = _ended(verdict.race, path)
    against = [m for m in verdict.margins if (m.path, m.over) == (verdict.path, path)]
    failed = [margin for margin in own if not margin.claim]
    if against and against[0].claim:
        text = f"{verdict.path} is ahead of it {_bounds(against[0])}"
    elif failed:
        worst = min(failed, key=lambda margin: margin.low)
        text = f"not shown to be ahead of {worst.over} by {verdict.min_gain:g}: {_bounds(worst)}"
    elif own:
        text = "ahead of every simpler path, and so is a costlier one"
    else:
        text = "no path had to beat it" if measured and not ended else ""
    return "; ".join(part for part in (text, ended) if part)


def _bounds(margin: Margin) -> str:
    return f"by {margin.gain:+.3f} ({margin.low:+.3f} to {margin.high:+.3f})"


def _ended(race: Raced | None, path: str) -> str:
    entrants = race.entrants if race else ()
    return next((f"{one.how}: {one.why}" for one in entrants if one.path == path and one.why), "")


def two_best(cards: Sequence[Scorecard], chosen: str | None) -> tuple[Scorecard, ...]:
    """The path chosen and the best of the others; without a choice the two best."""
    ranked = sorted(
        cards,
        key=lambda card: (card.path == chosen, card.metrics[card.primary].value),
        reverse=True,
    )
    return tuple(ranked[:2])


def differing(best: Sequence[Scorecard], most: int = MOST_DIFFERENT) -> tuple[Shown, ...]:
    """The questions on which two paths' scores differ most, both answers side by side."""
    metric = best[0].primary
    first, second = ({a.question_id: a for a in answers_in(card, metric)} for card in best)
    metric = single(metric, list(first.values()))
    both = [name for name in first if name in second]

    def apart(name: str) -> float:
        ours, theirs = values([first[name]], metric), values([second[name]], metric)
        return abs(ours[0] - theirs[0])

    return tuple(
        shown([(best[0].path, first[name]), (best[1].path, second[name])], metric)
        for name in sorted(both, key=apart, reverse=True)[:most]
        if apart(name) > 0
    )


def shown(sides: Sequence[tuple[PathName, Answer]], metric: str) -> Shown:
    """One question with these paths' answers."""
    _, answer = sides[0]
    metric = single(metric, [answer])
    return Shown(
        question_id=answer.question_id,
        question=answer.question,
        expected=answer.expected,
        document=answer.cluster,
        sides=tuple(
            Side(
                path=path,
                answer=one.answer,
                score=values([one], metric)[0],
                passages=tuple(f"{passage.title}: {passage.text}" for passage in one.passages),
            )
            for path, one in sides
        ),
    )


def _asked(finished: Finished, question: str) -> tuple[Explained, ...]:
    """Each model with the one question alone, as all of its paths answered it."""
    found, known = [], set()
    for verdict in finished.verdicts.values():
        sides, metric = [], ""
        for card in finished.dev(verdict.model):
            metric = card.primary
            rows = {row.question_id: row for row in answers_in(card, metric)}
            known |= set(rows)
            if question in rows:
                sides.append((card.path, rows[question]))
        if sides:
            one = Explained(
                model=verdict.model, basis=verdict.basis, undecided=verdict.undecided,
                path=verdict.path, metric=metric, best=tuple(path for path, _ in sides),
                apart=(shown(sides, metric),),
            )  # fmt: skip
            found.append(one)
    if not found:
        near = difflib.get_close_matches(question, sorted(known), n=3, cutoff=0.3)
        raise InputError(
            "--question", question, ", ".join(near or sorted(known)[:3]) or "an answered question",
            "Name a dev question that some path answered.",
        )  # fmt: skip
    return tuple(found)

"""The last step: which of the models' winners, by the claims of `tasks.core.claims`.

What runs already comes first, then the smallest model: it stands unless a larger one is shown to
be better by `min_gain` than every smaller one. So the best wins, and the smallest of those that
are within `min_gain` of each other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tasks.core.claims import Choice, Margin, Measured, Settings, choose, claims_text
from tasks.core.flip import FlipWhen, flip_when
from tasks.core.stats import Interval, mean_interval


@dataclass(frozen=True)
class Contender:
    """A model's winner with its scores, on the same questions in the same order for all.

    `params` counts parameters, None where nobody tells; `runs`: it answers people already.
    """

    model: str
    path: str
    params: float | None
    runs: bool
    scores: tuple[float, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """How one model's winner stands on the questions that all of them answered."""

    model: str
    path: str
    params: float | None
    runs: bool
    score: Interval


@dataclass(frozen=True)
class ModelChoice:
    """Which model's winner is chosen, why, and what would turn it.

    `standings` are in the order of claims: what runs already, then from the smallest to the
    largest, and what is of unknown size last. Margins name models; `n` counts the questions.
    """

    model: str
    path: str
    undecided: bool
    leader: str
    questions_to_settle: int | None
    n: int
    standings: tuple[Standing, ...]
    margins: tuple[Margin, ...]
    reasons: tuple[str, ...]
    flip_when: tuple[FlipWhen, ...]


def choose_model(contenders: Sequence[Contender], settings: Settings) -> ModelChoice:
    """Choose among the winners of several models; `settings.order` does not count here.

    Raises:
        InputError: scores that are missing, not finite or not of the same questions; a model
            that stands there twice; settings out of range.
    """
    ordered = sorted(contenders, key=_rank)
    order = tuple(one.model for one in ordered)
    across = replace(settings, order=order)
    measured = [Measured(one.model, one.scores, one.clusters) for one in ordered]
    choice = choose(measured, (), across)
    chosen = next(one for one in ordered if one.model == choice.path)
    return ModelChoice(
        model=chosen.model,
        path=chosen.path,
        undecided=choice.undecided,
        leader=choice.leader,
        questions_to_settle=choice.questions_to_settle,
        n=len(chosen.scores),
        standings=tuple(map(_standing, ordered)),
        margins=choice.margins,
        reasons=_reasons(choice, chosen, ordered, across),
        flip_when=flip_when(choice, measured, (), across),
    )


def _rank(one: Contender) -> tuple[bool, float, str]:
    return not one.runs, math.inf if one.params is None else one.params, one.model


def _standing(one: Contender) -> Standing:
    # Sorted, for sums must not depend on the order of questions.
    rows = sorted(zip(one.clusters, one.scores, strict=True))
    clusters, scores = zip(*rows, strict=True)
    return Standing(one.model, one.path, one.params, one.runs, mean_interval(scores, clusters))


def _reasons(
    choice: Choice, chosen: Contender, ordered: Sequence[Contender], settings: Settings
) -> tuple[str, ...]:
    least, noun, claims = settings.min_gain, settings.noun, len(ordered) - 1
    what = "what runs already" if chosen.runs else "the smallest model"
    if not claims:
        return (f"{chosen.model} is the only model of which a path was measured and allowed",)
    if choice.path != ordered[0].model:
        won = [
            f"{margin.path} ({chosen.path}) beats {margin.over} by {margin.gain:.3f}, at least "
            f"{margin.low:.3f} (minimal gain {least:g}, confidence {settings.confidence:g} shared "
            f"by {claims_text(claims)})"
            for margin in choice.margins
            if margin.path == choice.path
        ]
        return (*won, *_ahead(choice, least))
    if not choice.undecided:
        return (
            f"{chosen.model} ({chosen.path}) is {what}, and no other is better by {least:g}: "
            f"{len(chosen.scores)} {noun}s settle that at confidence {settings.confidence:g}",
        )
    more = choice.questions_to_settle
    settle = (
        f"about {more} more {noun}s would settle it, if the gains stay as they are"
        if more is not None
        else f"no feasible number of {noun}s would settle it: a gain is too near {least:g}"
    )
    first = (
        f"undecided: no model is shown to be better by more than {least:g}, so {what}, "
        f"{chosen.model} ({chosen.path}), stands"
    )
    return (first, *_ahead(choice, least), settle)


def _ahead(choice: Choice, least: float) -> tuple[str, ...]:
    """What is said of a model with a higher mean than the one that was chosen."""
    found = [m for m in choice.margins if (m.path, m.over) == (choice.leader, choice.path)]
    return tuple(
        f"{m.path} has a mean {m.gain:.3f} higher ({m.low:.3f} to {m.high:.3f}), which is not "
        f"shown to exceed {least:g} over every model before it"
        for m in found
    )

"""A small search over learning rate and rank, judged on the questions held out of training."""

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from tasks.core import digest
from tasks.core.halving import rungs
from tasks.run import TrainingSpec
from tasks.training.loop import Lesson, Trained, train


def candidates(spec: TrainingSpec) -> tuple[TrainingSpec, ...]:
    """Every combination of the settings to try; the spec alone where there is nothing to try."""
    rates = dict.fromkeys(spec.try_learning_rate or (spec.rate,))
    name = "full_learning_rate" if spec.method == "full" else "learning_rate"
    ranks = dict.fromkeys(spec.try_rank or (spec.rank,))
    alone: dict[str, object] = {"try_learning_rate": (), "try_rank": ()}
    return tuple(
        spec.model_copy(update=alone | {name: rate, "rank": rank})
        for rate, rank in product(rates, ranks)
    )


def search(lesson: Lesson, spec: TrainingSpec, folder: Path) -> tuple[TrainingSpec, Trained]:
    """Train every candidate by successive halving; the settings that were best, and their training.

    What falls behind is stopped; what stays goes on from where it paused. The loss on the held-out
    questions decides, never the dev questions.
    """
    alive: Sequence[TrainingSpec] = candidates(spec)
    if len(alive) == 1:
        return alive[0], train(lesson, alive[0], folder)
    notes: list[str] = []
    before: dict[TrainingSpec, float] = {}  # seconds of each in an earlier process
    for count, until in rungs(len(alive), lesson.epochs):
        pause = int(until) if until < lesson.epochs else None
        made = {one: _trained(lesson, one, folder, pause) for one in alive[:count]}
        before = {one: run.before for one, run in made.items()} | before
        alive = sorted(made, key=lambda one: _loss(made[one], pause))
        notes += [
            f"tried: learning rate {one.rate:g}, rank {one.rank}: validation loss "
            f"{_loss(made[one], pause):.3f} after {until:g} epochs at most"
            for one in alive
        ]
    best = made[alive[0]]
    notes.append(f"chosen: learning rate {alive[0].rate:g}, rank {alive[0].rank}")
    return alive[0], best._replace(before=sum(before.values()), notes=tuple(notes))


def _trained(lesson: Lesson, spec: TrainingSpec, folder: Path, pause: int | None) -> Trained:
    place = folder / digest.of_json([spec.rate, spec.rank])
    place.mkdir(parents=True, exist_ok=True)
    return train(lesson, spec, place, pause)


def _loss(made: Trained, pause: int | None) -> float:
    """The least validation loss up to a pause; what an earlier process did beyond it is later."""
    losses = [point.value for point in made.curve if point.name == "validation_loss"]
    return min((loss for loss in losses[:pause] if math.isfinite(loss)), default=math.inf)

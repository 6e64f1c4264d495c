"""The decision on drawn questions whose truth is known: how often it errs, how often it sees."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtri

from tasks.core.claims import choose
from tasks.core.decide import Measured, Settings
from tasks.core.stats import mean_interval, paired_gain
from tasks.core.veto import PATHS

Scores = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, npt.NDArray[np.int64], Sequence[float]], Scores]
REPEATS = 600
ERROR = 0.05
SLACK = 3 * (ERROR * (1 - ERROR) / REPEATS) ** 0.5  # three standard errors of the simulation


def binary(rng: np.random.Generator, document: npt.NDArray[np.int64], means: Sequence[float]):
    """Right or wrong; documents and questions are hard or easy, for all paths and for each."""
    paths, documents, n = len(means), document.max() + 1, len(document)
    effect = (
        np.sqrt(0.20) * rng.normal(size=documents)[document]
        + np.sqrt(0.15) * rng.normal(size=(paths, documents))[:, document]
        + np.sqrt(0.35) * rng.normal(size=n)
        + np.sqrt(0.30) * rng.normal(size=(paths, n))
    )
    return (effect < ndtri(np.array(means))[:, None]).astype(np.float64)


def continuous(rng: np.random.Generator, document: npt.NDArray[np.int64], means: Sequence[float]):
    paths, documents, n = len(means), document.max() + 1, len(document)
    return (
        np.array(means)[:, None]
        + rng.uniform(-0.15, 0.15, documents)[document]
        + rng.uniform(-0.1, 0.1, (paths, documents))[:, document]
        + rng.uniform(-0.1, 0.1, (paths, n))
    )


def contest(
    rng: np.random.Generator, draw: Draw, means: Sequence[float], documents: int, most: int
) -> list[Measured]:
    """Paths of these true means on `documents` documents of one to `most` questions each."""
    document = np.repeat(np.arange(documents), rng.integers(1, most + 1, documents))
    names = tuple(f"d{i}" for i in document)
    scores = draw(rng, document, means)
    return [Measured(path, tuple(row), names) for path, row in zip(PATHS, scores, strict=False)]


def switches(
    draw: Draw, means: Sequence[float], right: set[str], documents: int, most: int = 4
) -> float:
    rng = np.random.default_rng(11)
    drawn = (contest(rng, draw, means, documents, most) for _ in range(REPEATS))
    return sum(choose(one, (), Settings()).path not in right for one in drawn) / REPEATS


@pytest.mark.parametrize("draw", [binary, continuous])
@pytest.mark.parametrize("documents", [20, 80])
@pytest.mark.parametrize(
    ("means", "right"),
    [
        ((0.40, 0.42), {"prompt"}),
        ((0.40, 0.42, 0.42, 0.42), {"prompt"}),
        ((0.40, 0.42, 0.44, 0.46), {"prompt"}),
        ((0.40, 0.70, 0.72, 0.72), {"prompt", "rag"}),
        ((0.40, 0.40, 0.40, 0.40), {"prompt"}),
    ],
    ids=["pair", "level", "ladder", "second-step", "flat"],
)
def test_gains_of_exactly_the_minimum_switch_in_at_most_five_percent(
    draw, documents, means, right
) -> None:
    assert switches(draw, means, right, documents) <= ERROR + SLACK


def test_point_gains_would_have_switched_far_more_often() -> None:
    """The ladder is hard: the test above would fail for the rule that looks at points only."""
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(REPEATS):
        prompt, *others = contest(rng, binary, (0.40, 0.42, 0.44, 0.46), 80, 4)
        gains = [paired_gain(one.scores, prompt.scores, one.clusters) for one in others]
        wrong += any(gain.gain > 0.02 and gain.gain > 1.96 * gain.se for gain in gains)
    assert wrong / REPEATS > 2 * ERROR


def test_settling_for_the_simplest_is_wrong_in_at_most_five_percent() -> None:
    rng = np.random.default_rng(12)
    means = (0.40, 0.4201)  # truly just worth it
    found = [choose(contest(rng, continuous, means, 60, 4), (), Settings()) for _ in range(REPEATS)]
    settled = sum(one.path == "prompt" and not one.undecided for one in found)
    assert settled / REPEATS <= ERROR + SLACK


@pytest.mark.parametrize("draw", [binary, continuous])
@pytest.mark.parametrize(("documents", "nominal"), [(12, 0.03), (60, 0.02)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(draw, documents, nominal) -> None:
    rng = np.random.default_rng(13)
    hits = 0
    for _ in range(2 * REPEATS):
        one = contest(rng, draw, (0.4,), documents, 4)[0]
        interval = mean_interval(one.scores, one.clusters, bounds=(0, 1))
        hits += interval.low <= 0.4 <= interval.high
    assert abs(hits / (2 * REPEATS) - 0.95) <= nominal


@pytest.mark.parametrize(
    ("means", "power"), [((0.40, 0.52), 0.9), ((0.40, 0.52, 0.52, 0.52), 0.75)]
)
def test_twelve_points_are_seen_on_four_hundred_questions(means, power) -> None:
    rng = np.random.default_rng(14)
    drawn = (contest(rng, binary, means, 160, 4) for _ in range(200))
    assert sum(choose(one, (), Settings()).path == "rag" for one in drawn) / 200 >= power

import pytest

from tasks.core.halving import epochs_in_all, rungs


@pytest.mark.parametrize(
    ("candidates", "epochs", "expected"),
    [
        (1, 3, ((1, 3),)),
        (2, 3, ((2, 1), (1, 3))),
        (4, 3, ((4, 1), (2, 2), (1, 3))),
        (5, 10, ((5, 1), (3, 2), (2, 4), (1, 10))),
        (4, 1.5, ((4, 1), (2, 1.5))),  # two reach the end, where they are compared
        (4, 0.5, ((4, 0.5),)),
    ],
)
def test_the_better_half_goes_on_for_twice_as_long(
    candidates: int, epochs: float, expected: tuple[tuple[int, float], ...]
) -> None:
    assert rungs(candidates, epochs) == expected


@pytest.mark.parametrize(
    ("candidates", "epochs", "total"), [(1, 3, 3), (2, 3, 4), (4, 3, 7), (4, 1.5, 5), (4, 0.5, 2)]
)
def test_no_epoch_is_trained_twice(candidates: int, epochs: float, total: float) -> None:
    assert epochs_in_all(candidates, epochs) == total

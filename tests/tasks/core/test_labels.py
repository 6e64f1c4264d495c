import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.labels import (
    calibration_values,
    chance_level,
    confusion,
    kappa_values,
    log_means,
    macro_f1_values,
    normalised,
)
from tasks.core.stats import lower_bound, mean_interval, paired_gain


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def drawn(n: int, seed: int, right: float = 0.7) -> tuple[list[str], list[str]]:
    """Unequal labels a to d; an answer is right with a chance, else any label."""
    draw = np.random.default_rng(seed)
    expected = draw.choice(list("abcd"), n, p=[0.4, 0.3, 0.2, 0.1])
    answered = np.where(draw.random(n) < right, expected, draw.choice(list("abcd"), n))
    return expected.tolist(), answered.tolist()


def macro_f1(expected: list[str], answered: list[str]) -> float:
    """By its definition: the mean over labels of 2 TP / (2 TP + FP + FN)."""
    scores = []
    for label in set(expected):
        pairs = [
            (one == label, other == label) for one, other in zip(expected, answered, strict=True)
        ]
        hits = sum(one and other for one, other in pairs)
        wrong = sum(one != other for one, other in pairs)
        scores.append(2 * hits / (2 * hits + wrong))
    return mean(scores)


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_of_the_values_is_macro_f1(seed: int) -> None:
    expected, answered = drawn(60, seed)
    assert mean(macro_f1_values(expected, answered)) == pytest.approx(macro_f1(expected, answered))


def test_a_label_never_answered_counts_as_zero_and_one_never_expected_has_no_f1() -> None:
    # a: 2 right of 3 answers, F1 0.8; b: never answered, 0. x is no expected label.
    expected, answered = ["a", "a", "b", "b"], ["a", "a", "a", "x"]
    assert mean(macro_f1_values(expected, answered)) == pytest.approx((0.8 + 0) / 2)


def test_labels_count_alike_however_rare_they_are() -> None:
    expected, answered = ["a"] * 9 + ["b"], ["a"] * 10
    assert mean(macro_f1_values(expected, answered)) == pytest.approx((18 / 19) / 2)


def test_all_right_is_one_for_every_example() -> None:
    assert macro_f1_values(["a", "b", "b"], ["a", "b", "b"]) == [1, 1, 1]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcx")), min_size=2, max_size=12)
)
def test_a_value_tells_what_leaving_its_example_out_takes(pairs: list[tuple[str, str]]) -> None:
    expected, answered = [one for one, _ in pairs], [other for _, other in pairs]
    values, n = macro_f1_values(expected, answered), len(pairs)
    without = [
        macro_f1(expected[:at] + expected[at + 1 :], answered[:at] + answered[at + 1 :])
        for at in range(n)
    ]
    for value, left in zip(values, without, strict=True):
        taken = (n - 1) * (mean(without) - left)
        assert value == pytest.approx(macro_f1(expected, answered) + taken)


def test_one_example_alone_has_its_f1() -> None:
    assert macro_f1_values(["a"], ["a"]) == [1]
    assert macro_f1_values(["a"], ["b"]) == [0]


@pytest.mark.parametrize(("labels", "n"), [(20, 50), (20, 100), (8, 100)])
def test_of_two_alike_neither_is_called_better_too_often_however_few_a_label_has(
    labels: int, n: int
) -> None:
    level, repeats, draw = 0.05, 400, np.random.default_rng(4)
    errors = 0
    for _ in range(repeats):
        expected = draw.integers(0, labels, n)
        wrong = (expected + draw.integers(1, labels, (2, n))) % labels
        one, other = np.where(draw.random((2, n)) < 0.7, expected, wrong).tolist()
        wanted = expected.tolist()
        gain = paired_gain(macro_f1_values(wanted, one), macro_f1_values(wanted, other), range(n))
        errors += lower_bound(gain, level) > 0
    assert errors / repeats <= level + 3 * (level * (1 - level) / repeats) ** 0.5


def test_the_interval_of_macro_f1_is_as_wide_as_resampling_says() -> None:
    expected, answered = drawn(400, 1)
    interval = mean_interval(macro_f1_values(expected, answered), range(400))
    draw = np.random.default_rng(0)
    samples = []
    for _ in range(600):
        at = draw.integers(0, 400, 400)
        samples.append(macro_f1([expected[i] for i in at], [answered[i] for i in at]))
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * np.std(samples), rel=0.12)


def test_the_paired_gain_in_macro_f1_is_the_difference_with_the_spread_of_resampling() -> None:
    expected, one = drawn(400, 2, 0.8)
    other = [b if draw < 0.5 else a for a, b, draw in zip(
        one, drawn(400, 2, 0.5)[1], np.random.default_rng(3).random(400), strict=True)]  # fmt: skip
    gain = paired_gain(macro_f1_values(expected, one), macro_f1_values(expected, other), range(400))
    assert gain.gain == pytest.approx(macro_f1(expected, one) - macro_f1(expected, other))
    draw = np.random.default_rng(0)
    samples = []
    for _ in range(600):
        at = draw.integers(0, 400, 400)
        wanted = [expected[i] for i in at]
        samples.append(
            macro_f1(wanted, [one[i] for i in at]) - macro_f1(wanted, [other[i] for i in at])
        )
    assert gain.se == pytest.approx(np.std(samples), rel=0.12)


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    confidence, correct = [0.95, 0.95, 0.95, 0.95, 0.55, 0.55], [1, 1, 1, 0, 0, 1]
    expected = 4 / 6 * abs(0.95 - 0.75) + 2 / 6 * abs(0.55 - 0.5)
    assert mean(calibration_values(confidence, correct)) == pytest.approx(expected)


def test_too_little_confidence_is_an_error_as_too_much_is() -> None:
    assert mean(calibration_values([0.15] * 4, [1] * 4)) == pytest.approx(0.85)
    assert mean(calibration_values([1.0] * 4, [0] * 4)) == pytest.approx(1.0)


def test_full_confidence_stands_in_the_last_bin() -> None:
    assert mean(calibration_values([1.0, 0.9], [1, 1])) == pytest.approx(0.05)


def test_gaps_in_one_bin_make_up_for_one_another_but_not_across_bins() -> None:
    assert mean(calibration_values([0.52, 0.58], [0, 1])) == pytest.approx(0.05)
    assert mean(calibration_values([0.5, 0.6], [0, 1])) == pytest.approx(0.45)


def test_probabilities_sum_to_one_and_keep_ratios_however_unlikely() -> None:
    assert normalised([-1000.0, -1000.0]) == [0.5, 0.5]
    one, other = normalised([-2.0, -3.0])
    assert one / other == pytest.approx(np.e)
    assert one + other == pytest.approx(1)


def test_what_is_favoured_is_the_logarithm_of_the_mean_probability() -> None:
    favoured = log_means([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0]])
    assert np.exp(favoured) == pytest.approx([0.8, 0.2, 1e-9])


def test_confusion_has_a_row_for_each_label_expected_and_a_column_for_each_answered() -> None:
    table = confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b", "c"])
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


# 20 answers both call good, 15 neither does; 5 only the first judge, 10 only the second.
FIRST = [True] * 25 + [False] * 25
SECOND = [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15


def test_kappa_is_the_agreement_beyond_chance() -> None:
    # 35 of 50 agree, 0.7; by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5 would.
    assert mean(kappa_values(FIRST, SECOND)) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert mean(kappa_values([True, False], [False, True])) == pytest.approx(-1)


def test_the_standard_error_of_kappa_is_that_of_fleiss_cohen_and_everitt() -> None:
    n, kappa, chance = 50, 0.4, 0.5
    cells = {(1, 1): 0.4, (1, 0): 0.1, (0, 1): 0.2, (0, 0): 0.3}
    first, second = {1: 0.5, 0: 0.5}, {1: 0.6, 0: 0.4}
    same = sum(cells[i, i] * (1 - (first[i] + second[i]) * (1 - kappa)) ** 2 for i in (0, 1))
    other = (1 - kappa) ** 2 * sum(
        cells[i, 1 - i] * (second[i] + first[1 - i]) ** 2 for i in (0, 1)
    )
    rest = (kappa - chance * (1 - kappa)) ** 2
    expected = np.sqrt((same + other - rest) / n) / (1 - chance)
    assert np.std(kappa_values(FIRST, SECOND)) / np.sqrt(n) == pytest.approx(expected)


def test_judges_who_agree_on_everything_still_have_an_interval() -> None:
    found = mean_interval(kappa_values(FIRST, FIRST), range(50), bounds=(-1, 1))
    assert found.value == found.high == 1
    assert 0.8 < found.low < 1


def test_chance_is_what_the_most_frequent_training_label_scores_on_these_examples() -> None:
    expected = ["a"] * 6 + ["b"] * 3 + ["c"]
    chance = chance_level(expected, {"a": 2, "b": 9, "c": 1, "d": 1})
    assert (chance.label, chance.alike, chance.guessed) == ("b", 1, 0.25)
    assert chance.scores["accuracy"] == 0.3
    assert chance.scores["macro_f1"] == pytest.approx(macro_f1(expected, ["b"] * 10))


def test_of_labels_that_are_equally_frequent_chance_takes_the_first_by_name() -> None:
    chance = chance_level(["a", "b"], {"b": 4, "c": 4, "a": 1})
    assert (chance.label, chance.alike) == ("b", 2)
    never = chance_level(["a", "b"], {"c": 4, "a": 1, "b": 1})
    assert never.scores == {"macro_f1": 0, "accuracy": 0}


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_kappa_keeps_its_bounds_whoever_is_named_first_and_whatever_is_called_good(
    pairs: list[tuple[bool, bool]],
) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    kappa = mean(kappa_values(first, second))
    assert -1 - 1e-9 <= kappa <= 1 + 1e-9
    assert mean(kappa_values(second, first)) == pytest.approx(kappa)
    turned = [[not one for one in side] for side in (first, second)]
    assert mean(kappa_values(*turned)) == pytest.approx(kappa)
    if first == second:
        assert kappa == pytest.approx(1 if len(set(first)) == 2 else 0)
    elif len(set(first)) == 1 or len(set(second)) == 1:
        assert kappa == pytest.approx(0)  # who says the same of everything tells nothing

import pytest

from tasks.core.estimate import answer_gib, split_batch, train_gib

SEVEN = (7e9, 32, 4096)


def test_unknown_size_has_no_estimate() -> None:
    assert answer_gib(None, None, None, 1, 512) is None
    assert train_gib(None, 32, 4096, 1, 512) is None


def test_weights_dominate_answering_one_question_with_seven_billion() -> None:
    need = answer_gib(*SEVEN, 1, 512)
    assert need is not None
    assert 14e9 / 2**30 < need < 14e9 / 2**30 + 1.5


def test_cache_of_a_known_shape_has_its_known_size() -> None:
    one, two = answer_gib(*SEVEN, 1, 4096), answer_gib(*SEVEN, 2, 4096)
    assert one is not None
    assert two is not None
    # 2 tensors, 32 layers, 4096 wide, 4096 tokens, 2 bytes: 2 GiB, and the live values on top
    assert 2 <= two - one < 3


def test_what_all_prompts_begin_with_is_only_cached_for_each() -> None:
    bare, begun, own = (
        answer_gib(*SEVEN, 4, tokens, begin=begin) or 0
        for tokens, begin in ((512, 0), (512, 512), (1024, 0))
    )
    assert begun - bare == pytest.approx(4 * 512 * 2 * 32 * 4096 * 2 / 2**30)
    assert begun < own


def test_training_needs_more_than_answering() -> None:
    for shape in (SEVEN, (135e6, 30, 576)):
        answer, train = answer_gib(*shape, 8, 640), train_gib(*shape, 8, 640)
        assert answer is not None
        assert train is not None
        assert train > answer


@pytest.mark.parametrize("field", ["batch", "tokens", "bytes_per_param", "rank", "vocabulary"])
def test_each_size_raises_the_need(field) -> None:
    base = {"batch": 4, "tokens": 512, "bytes_per_param": 2, "rank": 8, "vocabulary": 32_000}
    assert (train_gib(*SEVEN, **{**base, field: 2 * base[field]}) or 0) > (
        train_gib(*SEVEN, **base) or 0
    )


def test_unknown_shape_is_near_the_known_one() -> None:
    known, guessed = train_gib(*SEVEN, 8, 640), train_gib(7e9, None, None, 8, 640)
    assert guessed == pytest.approx(known, rel=0.1)


def test_four_bits_spare_most_of_the_frozen_weights_and_training_all_takes_far_more() -> None:
    frozen, four, whole = (
        train_gib(*SEVEN, 1, 512, **options) or 0
        for options in ({}, {"four_bits": True}, {"rank": None})
    )
    assert 9 < frozen - four < 9.5  # 1.4 bytes of each of 7e9
    assert 7e9 * 18 / 2**30 < whole < 7e9 * 18 / 2**30 + 5


@pytest.mark.parametrize(
    ("whole", "splits"), [(8, [4, 2, 1]), (6, [3, 1]), (7, [1]), (12, [6, 3, 1])]
)
def test_a_batch_is_split_into_equal_ones(whole: int, splits: list[int]) -> None:
    batch, found = whole, []
    while batch > 1:
        batch = split_batch(batch, whole)
        found.append(batch)
    assert found == splits

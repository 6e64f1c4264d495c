"""Which training serves which path."""

import pytest

from tasks.artifacts import ModelRef, PathName
from tasks.planning.adapters import is_first, trained_for, training_of
from tasks.results.outcome import Planned
from tasks.run import TrainingSpec
from tasks.training.loop import BOTH

ALL: tuple[PathName, ...] = ("prompt", "rag", "finetune", "finetune+rag")
TWO, ONE = TrainingSpec(), TrainingSpec(one_adapter=True)


def planned(*paths: PathName, generates: bool = True) -> Planned:
    model = ModelRef(ref="path:/m", name="m", size_class="small", generates=generates)
    return Planned(
        model=model, paths=paths, vetoes=(), reason=None, answer_gib=None, train_gib=None
    )


@pytest.mark.parametrize(
    ("spec", "paths", "generates", "trainings"),
    [
        (TWO, ALL, True, [None, None, "finetune", "finetune+rag"]),
        (ONE, ALL, True, [None, None, BOTH, BOTH]),
        (ONE, ("rag", "finetune+rag"), True, [None, "finetune+rag"]),
        (ONE, ALL[1:], False, [None, "finetune", "finetune"]),
        (TWO, ("rag", "finetune+rag"), False, [None, "finetune"]),
    ],
)
def test_a_training_is_shared_where_one_adapter_or_head_serves_both(
    spec: TrainingSpec, paths: tuple[PathName, ...], generates: bool, trainings: list[str | None]
) -> None:
    plan = planned(*paths, generates=generates)
    assert [training_of(spec, plan, path) for path in paths] == trainings
    for path, training in zip(paths, trainings, strict=True):
        if training is not None:
            served = trained_for(spec, plan, training)
            assert path in served
            assert is_first(spec, plan, path) == (served[0] == path)
        else:
            assert not is_first(spec, plan, path)

from pathlib import Path

import pytest

from tasks.artifacts import LearningPoint, PathName
from tasks.core.stats import Interval
from tasks.results.learning_report import plot_learning, render_learning


def points(path: PathName, scores: dict[int, float], width: float) -> list[LearningPoint]:
    most = max(scores)
    return [
        LearningPoint(
            model="m", path=path, share=count / most, examples=count, metric="f1",
            score=Interval(score, score - width, score + width),
        )
        for count, score in scores.items()
    ]  # fmt: skip


def test_nothing_is_said_where_no_curve_was_measured() -> None:
    assert render_learning(()) == []


@pytest.mark.parametrize(
    ("width", "sure"), [(0.05, "the intervals are apart"), (0.2, "it may be chance")]
)
def test_the_last_step_is_told_with_what_is_sure_of_it(width: float, sure: str) -> None:
    curve = points("finetune", {20: 0.2, 40: 0.3, 80: 0.5}, width)
    text = "\n".join(render_learning(curve))
    assert "| m | `finetune` | 25% | 20 | 0.200" in text
    assert "from 40 to 80 examples +0.200" in text
    assert sure in text


def test_each_path_has_a_line_of_its_own(tmp_path: Path) -> None:
    both = [*points("finetune", {20: 0.2, 40: 0.3}, 0.1),
            *points("finetune+rag", {20: 0.4, 40: 0.6}, 0.1)]  # fmt: skip
    text = render_learning(both)[-1]
    assert "m, `finetune`: from 20 to 40 examples +0.100" in text
    assert "m, `finetune+rag`: from 20 to 40 examples +0.200" in text
    assert plot_learning(both, tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")

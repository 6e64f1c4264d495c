"""What a task is, as a value: prompts, what is retrieved, how answers are read and judged."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tasks.artifacts import Answer, CorpusScore, Question
from tasks.sampling import first_answer, varied

SEARCHED = ("recall_at_k", "mrr")  # what only paths that search have


class Wording(NamedTuple):
    """A way to ask.

    In an instruction `{labels}` stands for the labels, `{instruction}` for the task's or the run
    file's own, and `{constraints}` for sentences that tell what answers must keep to.
    """

    name: str
    style: Literal["chat", "plain"]
    instruction: str
    examples: bool = False  # with demonstrations
    refusal: bool = False  # one of which has no answer


class Task(NamedTuple):
    """What the four paths need to know of a task; a new one is a new value.

    `data` are the keys of the run file's [data] that it needs: `documents` and `questions`, or
    `examples`. `retrieves` says whether passages are knowledge to read (`documents`) or training
    `examples` to be shown as demonstrations; `grounding` opens the instruction where documents
    are read. `turn` is what stands before a question and its answer in plain text. Every path
    chooses among three wordings: the `untuned` with demonstrations in some, the `tuned` without;
    an adapter is trained with the first. With `labels` an answer is one of those that the
    training split has, so that encoders can do the task; other answers are generated, in one line
    unless `multiline`.

    `target` is the answer to learn, `demonstrators(pool, count, seed)` picks training questions to
    show, `read` makes an answer of what a model wrote, `score(answer, question)` gives its scores,
    each from 0 to 1. `metrics` are reported, those in `deciding` may be primary, the first of them
    is unless the run file names another; `corpus` gives figures of all answers together, for the
    report. `defaults` are laid under the run file's tables.
    """

    name: str
    data: tuple[str, ...]
    retrieves: Literal["documents", "examples"]
    turn: tuple[str, str]
    untuned: tuple[Wording, ...]
    tuned: tuple[Wording, ...]
    score: Callable[[str, Question], dict[str, float]]
    metrics: tuple[str, ...]
    deciding: tuple[str, ...]
    instruction: str = ""
    grounding: str = ""
    labels: bool = False
    multiline: bool = False
    target: Callable[[Question], str] = first_answer
    demonstrators: Callable[[Sequence[Question], int, int], tuple[Question, ...]] = varied
    read: Callable[[str], str] = str.strip
    corpus: Callable[[Sequence[Answer]], tuple[CorpusScore, ...]] | None = None
    defaults: Mapping[str, Mapping[str, Any]] = {}

    @property
    def noun(self) -> str:
        """What people call one of its rows: a question, or an example where none is about one."""
        return "question" if self.retrieves == "documents" else "example"

    @property
    def weighable(self) -> tuple[str, ...]:
        """The metrics that every path has, whatever it searches: a utility is made of these."""
        return tuple(name for name in self.metrics if name not in SEARCHED)

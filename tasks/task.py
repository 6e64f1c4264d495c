"""What a task is, as a value: prompts, what is retrieved, how answers are read and judged."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tasks.artifacts import Question

SEARCHED = ("recall_at_k", "mrr")  # what only paths that search have


class Wording(NamedTuple):
    """A way to ask; `{labels}` in an instruction stands for the labels."""

    name: str
    style: Literal["chat", "plain"]
    instruction: str
    examples: bool = False  # with demonstrations
    refusal: bool = False  # one of which has no answer


class Task(NamedTuple):
    """What the four paths need to know of a task; a new one is a new value, in `TASKS`.

    `data` are the keys of the run file's [data] that it needs. `retrieves` says whether passages
    are knowledge to read (`documents`) or labelled `examples` to be shown as demonstrations;
    `grounding` opens the instruction where documents are read. `turn` is what stands before a
    question and its answer in plain text. Every path chooses among three wordings: the `untuned`
    with demonstrations in some, the `tuned` without; an adapter is trained with the first.

    `target` is the answer to learn, `demonstrators(pool, count, seed)` picks training questions to
    show, `read` makes an answer of what a model wrote, `score(answer, question)` gives its scores,
    each from 0 to 1. `metrics` are reported, those in `deciding` may be primary, the first of them
    is unless the run file names another; `defaults` are laid under the run file's tables.
    """

    name: str
    data: tuple[str, ...]
    retrieves: Literal["documents", "examples"]
    grounding: str
    turn: tuple[str, str]
    untuned: tuple[Wording, ...]
    tuned: tuple[Wording, ...]
    target: Callable[[Question], str]
    demonstrators: Callable[[Sequence[Question], int, int], tuple[Question, ...]]
    read: Callable[[str], str]
    score: Callable[[str, Question], dict[str, float]]
    metrics: tuple[str, ...]
    deciding: tuple[str, ...]
    defaults: Mapping[str, Mapping[str, Any]]

    @property
    def weighable(self) -> tuple[str, ...]:
        """The metrics that every path has, whatever it searches: a utility is made of these."""
        return tuple(name for name in self.metrics if name not in SEARCHED)

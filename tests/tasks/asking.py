"""What tests of answering share: questions, and a model whose answers follow a rule."""

from collections.abc import Callable
from typing import Any

from tasks.artifacts import Prompt, Question
from tasks.models.outputs import Generation

BARE = Prompt(name="brief", instruction="Reply with only the short answer.", max_new_tokens=5)


def question(n: int, split: str, **fields: Any) -> Question:
    """Question `n` of a split, answered by "red"; two in a row are about one document."""
    given: dict[str, Any] = {"answers": ("red",), "document": f"{split}-{n // 2}", "kind": "seen"}
    return Question.model_validate(
        {"id": f"{split}-{n:02}", "question": f"Which colour {n}?", "split": split} | given | fields
    )


def lost(n: int, split: str) -> Question:
    """One that no document answers."""
    return question(n, split, answers=(), answerable=False, document=None, kind="lost")


class Echo:
    """A decoder at the edge that answers by a rule on the prompt's text; it notes what it saw."""

    def __init__(self, rule: Callable[[str], str] = lambda _: "red") -> None:
        self.rule = rule
        self.prompts: list[str] = []

    def render(self, messages: tuple[tuple[str, str], ...]) -> str:
        return "|".join(f"{role}: {content}" for role, content in messages)

    def plain(self, text: str) -> str:
        return text

    def generate(self, prompts: list[str], *_: Any, **__: Any) -> list[Generation]:
        self.prompts += prompts
        return [Generation(self.rule(prompt), 10, 2) for prompt in prompts]

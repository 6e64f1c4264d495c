"""What every frozen value has: a digest of its content, and the names that values share."""

from dataclasses import asdict, is_dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.core import digest

SCHEMA_VERSION = 1

PathName = Literal["prompt", "rag", "finetune", "finetune+rag"]
Split = Literal["train", "dev", "test"]
SearchMode = Literal["vector", "keyword", "hybrid"]
Messages = tuple[tuple[str, str], ...]  # (role, content) pairs of a chat
QUESTION_ANSWERING = "question-answering"


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def digest(self) -> str:
        """Digest of the value's content: see `content`."""
        return digest.of_json(self.content())

    def content(self) -> Any:
        """What makes two values the same, as JSON: not where a blob lies, nor what it cost to make.

        A field that says when it is left out of JSON is left out here, too: such fields came
        later, and what does not use them keeps its digest.
        """
        held = {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if not (field.exclude_if and field.exclude_if(getattr(self, name)))
        }
        return {name: content(one) for name, one in held.items()}


def content(value: object) -> Any:
    """What makes two values of any kind the same, as JSON."""
    if isinstance(value, Value):
        return value.content()
    if isinstance(value, tuple | list):
        return [content(item) for item in value]
    if isinstance(value, dict):
        return {str(key): content(item) for key, item in value.items()}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


class Blob(Value):
    """Something large, kept under its content digest in the artifact store."""

    uri: str
    sha: str
    bytes: int

    def content(self) -> str:
        """What it holds, wherever it lies."""
        return self.sha

"""Answers of hosted models, kept on disk by what was asked of whom: nobody pays for one twice."""

import uuid
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tasks.artifacts import Value
from tasks.services import services


class Response(Value):
    """What one request brought: the text, its usage, and the latency when it was paid for.

    `top` holds the likeliest first tokens with their log-probabilities, None where the endpoint
    gives none.
    """

    text: str
    tokens_in: int
    tokens_out: int
    seconds: float
    top: tuple[tuple[str, float], ...] | None = None


def read_kept(name: str) -> Response | None:
    """A kept answer; one that cannot be read is as good as none."""
    with suppress(OSError, ValidationError):
        return Response.model_validate_json(_note(name).read_bytes())
    return None


def keep(name: str, response: Response) -> None:
    """Keep an answer, whole or not at all."""
    note = _note(name)
    with suppress(OSError):  # where a model is served, the home may be read-only
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_name(f"{note.name}.{uuid.uuid4().hex}.part")
        part.write_text(response.model_dump_json(), encoding="utf-8")
        part.replace(note)


def _note(name: str) -> Path:
    return services().home / "hosted" / name[:2] / f"{name}.json"

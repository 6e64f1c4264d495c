"""Faulty input and what its error must say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.core.errors import InputError

Content = str | bytes | list[Any]


class Case(NamedTuple):
    """Content of one file, and what its error must say."""

    name: str
    content: Content
    where: str
    value: str
    allowed: str
    remedy: str


def write(path: Path, content: Content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_explained(case: Case, read: Callable[[], object]) -> None:
    with pytest.raises(InputError) as caught:
        read()
    error = caught.value
    assert case.where in error.where
    assert case.value in str(error.value)
    assert case.allowed in error.allowed
    assert case.remedy in error.remedy


def ids(case: object) -> str:
    return f"{case.name} {case.value} {case.where}" if isinstance(case, Case) else ""

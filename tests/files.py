"""Data as people hand it over: rows in JSON Lines, and folders of text."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def write_rows(path: Path, rows: Iterable[object]) -> Path:
    """Write one JSON value a line, as UTF-8; returns the file."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_folder(path: Path, files: Mapping[str, str]) -> Path:
    """Write texts under their relative names, folders between them made; returns the folder."""
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return path

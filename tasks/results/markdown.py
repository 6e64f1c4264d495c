"""Markdown that reports are made of."""

from collections.abc import Iterable, Sequence
from math import isinf

from tasks.core.stats import Interval

METRIC_NAMES = {
    "f1": "token F1", "exact_match": "exact match", "contains": "contained",
    "refused": "refused", "recall_at_k": "recall@k", "mrr": "MRR", "macro_f1": "macro-F1",
    "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "chrf": "chrF",
    "faithfulness": "faithful (words in the text)", "within_length": "within the length",
    "valid_json": "fits the JSON schema", "terms_kept": "glossary terms kept",
    "judged": "good to the judge",
}  # fmt: skip


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line breaks in cells are made harmless."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {line}" for line in lines)


def metric_name(name: str) -> str:
    """What people call a metric."""
    return METRIC_NAMES.get(name, name.replace("_", " "))


def with_article(noun: str) -> str:
    """One of something, e.g. `a question`, `an example`."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def basis_text(basis: str, undecided: bool) -> str:
    """What a verdict rests on, and whether it is open, e.g. `measured, undecided`."""
    return f"{basis}, undecided" if undecided else basis


def interval_text(interval: Interval) -> str:
    """A value with its bounds, e.g. `0.647 [0.561, 0.732]`."""
    return f"{interval.value:.3f} [{number_text(interval.low)}, {number_text(interval.high)}]"


def short(value: float) -> str:
    """A number to three digits, or whole where it has more."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def number_text(value: float) -> str:
    """A number to three places, or that it has no bound."""
    return "unbounded" if isinf(value) else f"{value:.3f}"

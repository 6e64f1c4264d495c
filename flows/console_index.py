"""What is said of indexes: a build, the versions of a name, a way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from flows.console import out, print_json

if TYPE_CHECKING:
    from tasks.artifacts import Index
    from tasks.retrieval.index_record import Version
    from tasks.retrieval.refresh import IndexBuild

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def print_build(build: IndexBuild, as_json: bool) -> None:
    """Print what a build or refresh did, in four lines."""
    if as_json:
        return print_json(build.model_dump(mode="json"))
    from tasks.retrieval.build_report import summary

    console, index, report = out(), build.index, build.report
    console.print(Text(f"Index {index.name}: {summary(build)}", style="bold"))
    console.print(f"  {index.chunks} chunks, {report.embedded} of them embedded now; "
                  f"{size(index.bytes)} on {index.backend}; {report.seconds:.1f} s")  # fmt: skip
    if report.canary_after is not None:
        before = "" if report.canary_before is None else f", {report.canary_before:.3f} before"
        console.print(
            f"  canary recall {report.canary_after:.3f}{before} ({report.canaries} asked)"
        )
    moved = build.before not in (None, index.sha)
    console.print(f"  digest {index.sha}" + (f", {build.before} before" if moved else ""))
    return None


def print_versions(
    name: str,
    backend: str,
    versions: tuple[Version, ...],
    users: Mapping[str, tuple[str, ...]],
    as_json: bool,
) -> None:
    """Print a line for each version: current or not, age, size, digest, address, its users."""
    now = datetime.now(UTC)
    ages = [(now - datetime.fromisoformat(one.built)).total_seconds() for one in versions]
    if as_json:
        rows = [
            one.model_dump(mode="json") | {"age_seconds": age, "used_by": users.get(one.sha, ())}
            for one, age in zip(versions, ages, strict=True)
        ]
        return print_json({"name": name, "backend": backend, "versions": rows})
    console = out()
    heads = ("", "age", "chunks", "size", "digest", "address", "used by")
    lines = [
        ("current" if one.current else "", since(age), str(one.chunks), size(one.bytes), one.sha,
         one.address, ", ".join(users.get(one.sha, ())) or "-")
        for one, age in zip(versions, ages, strict=True)
    ]  # fmt: skip
    if console.is_terminal:
        table = Table(*heads)
        for line in lines:
            table.add_row(*line, style="bold green" if line[0] else None)
        console.print(table)
    else:
        for line in lines:
            cells = (f"{head} {cell}".strip() for head, cell in zip(heads, line, strict=True))
            console.print("  " + "  ".join(cell for cell in cells if cell))
    return None


def print_rollback(before: Version | None, now: Index, as_json: bool) -> None:
    """Print where a name pointed, where it points, and how long that holds."""
    left = before.sha if before else None
    if as_json:
        return print_json({"name": now.name, "before": left, "index": now.model_dump(mode="json")})
    console = out()
    console.print(Text(f"Index {now.name}: back to {now.address}", style="bold"))
    console.print(f"  digest {now.sha}, {left} before; {now.chunks} chunks")
    console.print("  The next refresh or run brings it in step with its documents again: pause the "
                  "schedule or mend them first.")  # fmt: skip
    return None


def since(seconds: float) -> str:
    """An age in its largest unit, e.g. `3 h`."""
    length, unit = next((one for one in UNITS if seconds >= one[0]), UNITS[-1])
    return f"{seconds / length:.0f} {unit}"


def size(count: int) -> str:
    """Bytes in MiB, or in KiB below one."""
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"

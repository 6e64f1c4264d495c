"""What a build of an index did and what its settings were chosen by, in Markdown."""

from tasks.results.markdown import table
from tasks.retrieval.refresh import IndexBuild
from tasks.retrieval.settings import SettingsSearch


def render_build(build: IndexBuild) -> str:
    """One build as a page: what changed, what it cost, what canary questions found."""
    index, report = build.index, build.report
    what = (
        ("documents", "added, changed, removed, moved, kept",
         (report.added, report.changed, report.removed, report.moved, report.kept)),
        ("chunks", "written, deleted, kept, embedded",
         (report.chunks_written, report.chunks_deleted, report.chunks_kept, report.embedded)),
        ("drift, repaired", "missing, extra", (report.drift_missing, report.drift_extra)),
    )  # fmt: skip
    rows = [
        (f"{kind} {name}", f"{number:,}")
        for kind, names, numbers in what
        for name, number in zip(names.split(", "), numbers, strict=True)
    ]
    rows += [
        ("canary recall before", _recall(report.canary_before)),
        ("canary recall after", _recall(report.canary_after)),
        ("canary questions", f"{report.canaries:,}"),
        ("seconds", f"{report.seconds:.2f}"),
        ("bytes", f"{report.bytes:,}"),
    ]
    return "\n\n".join((
        f"# Index {index.name}: {summary(build)}",
        f"Digest `{build.before or 'none'}` before, `{index.sha}` now, at `{index.address}` "
        f"({index.backend}); {index.chunks:,} chunks of at most {index.chunk_tokens} tokens, "
        f"encoder `{index.encoder}`.",
        table(("", ""), rows),
    ))  # fmt: skip


def summary(build: IndexBuild) -> str:
    """A build in a few words, e.g. `2 changed, 1 removed`."""
    if not build.changed:
        return "unchanged"
    report = build.report
    if build.before is None:
        return f"built, {report.added} documents"
    if report.rebuilt:
        return f"rebuilt, {report.added + report.changed + report.kept} documents"
    counts = {
        "added": report.added, "changed": report.changed, "removed": report.removed,
        "moved": report.moved, "rows repaired": report.drift_missing + report.drift_extra,
    }  # fmt: skip
    said = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    return said or "the same documents, indexed again"


def render_settings(settings: SettingsSearch) -> str:
    """The settings that were tried with what they found, and those that were chosen."""
    chosen = settings.chosen
    if not settings.trials:
        return _settings(chosen.chunk_tokens, chosen.alpha, chosen.k) + ", as the run file says."
    rows = [
        (str(one.chunk_tokens), f"{one.alpha:g}", str(one.k), f"{one.recall:.3f}",
         f"{one.ndcg:.3f}", f"{one.mrr:.3f}",
         "chosen" if (one.chunk_tokens, one.alpha, one.k)
         == (chosen.chunk_tokens, chosen.alpha, chosen.k) else "")
        for one in settings.trials
    ]  # fmt: skip
    heads = ("chunk_tokens", "alpha", "k", "recall@k", "nDCG@10", "MRR", "")
    return (
        f"{_settings(chosen.chunk_tokens, chosen.alpha, chosen.k)}, chosen on {settings.questions} "
        f"dev questions with a known source: the highest nDCG@10, then the smallest k whose "
        f"recall is nearly the best.\n\n{table(heads, rows)}"
    )


def _settings(chunk_tokens: int, alpha: float, k: int) -> str:
    return f"Chunks of at most {chunk_tokens} tokens, alpha {alpha:g}, k = {k}"


def _recall(value: float | None) -> str:
    return "not asked" if value is None else f"{value:.3f}"

"""A build of an index in MLflow: a run of its own, or files of the run that needed it."""

from datetime import UTC, datetime

from tasks.results.tracking import connect, open_experiment
from tasks.retrieval.build_report import render_build
from tasks.retrieval.refresh import IndexBuild
from tasks.store import get_bytes


def log_build(build: IndexBuild) -> str:
    """Log a build as a run of its index's experiment; the run's id."""
    open_experiment(connect(), build.index.name)
    import mlflow

    index, report = build.index, build.report
    with mlflow.start_run(
        run_name=f"{index.name} index {datetime.now(UTC):%Y-%m-%d %H:%M}",
        tags={"kind": "index", "index": index.sha, "index_before": build.before or "none"},
    ) as run:
        fields = ("backend", "encoder", "chunk_tokens", "chunks", "address", "corpus")
        mlflow.log_params({name: getattr(index, name) for name in fields})
        numbers = report.model_dump(exclude_none=True) | {"rebuilt": int(report.rebuilt)}
        mlflow.log_metrics({f"index/{name}": float(value) for name, value in numbers.items()})
        log_build_files(build)
        return str(run.info.run_id)


def log_build_files(build: IndexBuild) -> None:
    """Log a build's report and manifest as artifacts of the active run, in its folder `index`."""
    import mlflow

    mlflow.log_text(render_build(build), "index/report.md")
    mlflow.log_text(build.model_dump_json(indent=2), "index/build.json")
    mlflow.log_text(get_bytes(build.manifest).decode(), "index/manifest.jsonl")

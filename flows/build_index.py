"""The index of a run by itself: its settings chosen where that is asked for, built, published.

`refresh` is the same without the choice. Both are deployed (`prefect.yaml`); `adapt` builds the
index, too, as one of its stages.
"""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from flows.collecting import collect_for_index
from flows.steps import Stages, step
from tasks.results.tracking import check_tracking
from tasks.retrieval import refresh, track_index
from tasks.retrieval import settings as index_settings
from tasks.retrieval.build_report import render_build, summary
from tasks.retrieval.refresh import IndexBuild
from tasks.retrieval.users import used_indexes
from tasks.run.reading import read_run

REFRESHED = "tune-or-retrieve.index.refreshed"

choose_settings = step(index_settings.choose_settings, "choose index settings", tensors=True)
# Not cached: it looks at what is really there, and costs little where that is as it should be.
follow_sources = step(refresh.follow_sources, "build index", cached=False, retries=2)
log = step(track_index.log_build, "log", cached=False)


@flow(name="build index", flow_run_name="build index {runfile}")
def build_index(runfile: str) -> IndexBuild:
    """Build the index of a run, with the settings that its run file says or lets be chosen.

    Only what the present index lacks is embedded; the name keeps answering from the present one
    until the new one is whole and finds what that finds.

    Args:
        runfile: The run file (TOML), as seen from where the run is executed.
    """
    return bring_in_step(runfile, keep_settings=False)


def bring_in_step(runfile: str, *, keep_settings: bool) -> IndexBuild:
    """Collect, build, log and tell, as part of a flow run."""
    run, stages = read_run(Path(runfile)), Stages()
    check_tracking()
    corpus, examples = collect_for_index(stages, run, Path(runfile).parent)
    spec = refresh.present_settings(run.index, run.name) if keep_settings else None
    if spec is None:
        spec = stages(
            "choose index settings", choose_settings, corpus=corpus, examples=examples,
            spec=run.index, name=run.name,
        ).chosen  # fmt: skip
    build = stages(
        "build index", follow_sources, corpus=corpus, examples=examples, spec=spec,
        name=run.name, used=used_indexes,
    )  # fmt: skip
    show(build)
    if build.changed:
        stages("log", log, build=build)
        announce(build)
    return build


def show(build: IndexBuild) -> None:
    """Put a build's report on its flow run's page, as the newest version of the index's page."""
    key = f"index-{build.index.name.lower().replace('_', '-')}"
    create_markdown_artifact(render_build(build), key=key, description=summary(build))


def announce(build: IndexBuild) -> None:
    """Tell other flows that what the index's name points at has changed.

    The event's resource is `index.NAME`; its payload holds the digests and the counts.
    """
    index = build.index
    emit_event(
        REFRESHED,
        resource={
            "prefect.resource.id": f"index.{index.name}",
            "prefect.resource.name": index.name,
        },
        payload={
            "before": build.before,
            "after": index.sha,
            "backend": index.backend,
            "address": index.address,
            "chunks": index.chunks,
            **build.report.model_dump(),
        },
    )

"""Scheduled: the index follows its sources, at a cost that follows the change."""

from prefect import flow

from flows.build_index import bring_in_step
from tasks.retrieval.refresh import IndexBuild


@flow(name="refresh", flow_run_name="refresh {runfile}")
def refresh(runfile: str) -> IndexBuild:
    """Bring the index of a run in step with its documents.

    Settings that were chosen by measurement stay as the present index has them. Where anything
    changed, the event `tune-or-retrieve.index.refreshed` tells other flows.

    Args:
        runfile: The run file (TOML), as seen from where the run is executed.
    """
    return bring_in_step(runfile, keep_settings=True)

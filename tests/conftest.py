"""What every test shares: an own home folder, no network, quiet libraries."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's library is imported
os.environ.setdefault("DO_NOT_TRACK", "true")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.pop("OPENAI_API_KEY", None)  # no test pays for an answer

from tasks.services import services

pytest_plugins = ("tests.weaviate_fixtures",)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty ADAPT_HOME with its embedded store and tracking database."""
    monkeypatch.setenv("ADAPT_HOME", str(tmp_path / "home"))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.setenv(name, "")  # so that what MLflow sets meanwhile is undone
        monkeypatch.delenv(name)
    services.cache_clear()
    yield tmp_path / "home"
    services.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def _settled_heap() -> None:
    """Leave what earlier modules hold out of garbage collection.

    With the millions of objects of a long session, its rounds take half of a small training.
    """
    gc.collect()
    gc.freeze()

"""Which registered versions were measured with which index: those must not be removed."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from tasks.results.tracking import check_tracking, connect
from tasks.services import services


def index_users() -> dict[str, tuple[str, ...]]:
    """The registered versions that an alias points at, by the digest of their index.

    All registered models count, whoever registered them; a version without a readable
    `system.json` or without retrieval uses no index. A user reads `harbour 3 (champion)`.

    Raises:
        InputError: the tracking server does not answer.
    """
    if services().embedded_tracking and not (services().home / "mlflow.db").exists():
        return {}
    check_tracking()
    users: dict[str, list[str]] = defaultdict(list)
    for name, version, aliases in _aliased():
        if sha := _index_sha(name, version):
            users[sha].append(f"{name} {version} ({', '.join(sorted(aliases))})")
    return {sha: tuple(sorted(found)) for sha, found in users.items()}


def used_indexes() -> frozenset[str]:
    """The digests of the indexes that registered versions with an alias were measured with."""
    return frozenset(index_users())


def _aliased() -> list[tuple[str, str, list[str]]]:
    """Name, version and aliases of every version that an alias points at."""
    client, token = connect(), None
    found: list[tuple[str, str, list[str]]] = []
    while True:
        page: Any = client.search_registered_models(page_token=token)
        for model in page:
            by_version: dict[str, list[str]] = defaultdict(list)
            for alias, version in model.aliases.items():
                by_version[str(version)].append(alias)
            found += [(model.name, version, names) for version, names in by_version.items()]
        token = page.token
        if not token:
            return found


def _index_sha(name: str, version: str) -> str | None:
    """The digest of a version's index. Read as JSON: a system of another release is one, too."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        uri = f"models:/{name}/{version}/artifacts/system.json"
        system = json.loads(Path(mlflow.artifacts.download_artifacts(uri)).read_bytes())
        return str(system["retrieval"]["index"]["sha"])
    except (MlflowException, OSError, ValueError, KeyError, TypeError):
        return None

"""How often each test split was read: a test set that is read often is one no more."""

import json
from pathlib import Path

from tasks.services import services


def read_test(questions_sha: str, system: str) -> int:
    """Note that a system read a test split; returns how many systems have, this one included.

    The same system reading it again learns nothing new and counts once.
    """
    ledger = _ledger(questions_sha)
    systems: list[str] = json.loads(ledger.read_text()) if ledger.exists() else []
    if system not in systems:
        systems.append(system)
        ledger.parent.mkdir(parents=True, exist_ok=True)
        part = ledger.with_suffix(".part")
        part.write_text(json.dumps(systems))
        part.replace(ledger)
    return len(systems)


def _ledger(questions_sha: str) -> Path:
    return services().home / "test_reads" / f"{questions_sha}.json"

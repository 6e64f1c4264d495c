"""The embedded index on a disk that fills up: a real one, of a few megabytes."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
OWN = ("unshare", "--user", "--map-root-user", "--mount")


def on_small_disk(disk: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command with a disk of 6 MB mounted at `disk`, in a namespace of its own."""
    mount = f"mount -t tmpfs -o size=6m tmpfs {shlex.quote(str(disk))}"
    return subprocess.run(
        [*OWN, "sh", "-c", f"{mount} && exec {shlex.join(command)}"], capture_output=True,
        text=True, check=False, cwd=ROOT, timeout=300,
        env=os.environ | {"ADAPT_HOME": str(disk / "home"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    try:
        mounted = on_small_disk(tmp_path, ["true"])
    except OSError as fault:
        pytest.skip(f"no namespaces to mount a small disk in: {fault}")
    if mounted.returncode:
        pytest.skip(f"a small disk can't be mounted here: {mounted.stderr.strip()}")
    return tmp_path


@pytest.mark.parametrize("left", [50_000, 400_000], ids=["documents", "rows"])
def test_a_full_disk_is_named_the_index_answers_and_the_next_build_goes_on(
    disk: Path, left: int
) -> None:
    ran = on_small_disk(disk, [sys.executable, "-m", "tests.full_disk", str(disk), str(left)])
    assert ran.returncode == 0, ran.stderr
    came = json.loads(ran.stdout.splitlines()[-1])
    assert "no space left" in came["said"]
    assert "Make room" in came["said"]
    assert came | {"said": ""} == {"said": "", "same": True, "found": 1, "now": 300}

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = """
from tasks.machine import metered
with metered() as meter:
    pass
assert meter.measured().energy_kwh is not None
"""


def test_measuring_energy_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


PEAK = """
from tasks.machine import metered
with metered() as large:
    held = bytearray(400 << 20)
del held
with metered() as small:
    pass
print(large.measured().peak_gib, small.measured().peak_gib)
"""


def peak_resets() -> bool:
    """Whether this system lets a process reset its peak: see proc(5)."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


@pytest.mark.skipif(not peak_resets(), reason="this system lets nobody reset the peak")
def test_the_peak_of_memory_is_that_of_the_measured_work_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, check=True)
    large, small = done.stdout.split()
    assert float(large) - float(small) > 0.35


FREED = """
from tasks.machine import metered
pieces = [b"x" * 100_000 for _ in range(8_000)]
last = b"x" * 100_000
with metered() as before:
    pass
del pieces
with metered() as after:
    pass
print(before.measured().peak_gib, after.measured().peak_gib)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc alone keeps it")
@pytest.mark.skipif(not peak_resets(), reason="this system lets nobody reset the peak")
def test_memory_that_was_freed_in_pieces_is_no_part_of_what_follows() -> None:
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    before, after = done.stdout.split()
    assert float(before) - float(after) > 0.7

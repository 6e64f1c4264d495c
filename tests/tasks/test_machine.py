import subprocess
import sys

MEASURE = """
from tasks.machine import metered
with metered() as meter:
    pass
assert meter.measured().energy_kwh is not None
"""


def test_measuring_energy_prints_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

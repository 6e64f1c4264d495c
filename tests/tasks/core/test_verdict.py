"""Verdicts: advised where nothing is measured, and as they are stored."""

import math
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from tasks.core.advice import evidence_for
from tasks.core.cases import Case, known_task
from tasks.core.decide import (
    Settings,
    TestScore,
    Verdict,
    advised_verdict,
    decide,
    measured_verdict,
)
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.rule import size_rule
from tasks.core.stats import Interval
from tasks.core.veto import PATHS, fact_vetoes
from tests.tasks.core.contests import table, veto

NOTHING = Evidence(None, (), 0, 0, "no published result", ())


def advised(task: str = "question-answering", **changes) -> Verdict:
    return advised_verdict(
        **{
            "model": "m",
            "params": 7e9,
            "size_class": "mid",
            "rule": size_rule("mid", task),
            "evidence": evidence_for(
                Case(known_task(task), weights="open", form="task", changes=False)
            ),
            "vetoes": (),
            "settings": Settings(),
            "reason": "14.2 GiB needed, 8 GiB there",
            **changes,
        }
    )


def test_advice_follows_the_evidence_and_says_it_was_not_measured() -> None:
    found = advised()
    assert (found.path, found.basis) == ("finetune+rag", "advised")
    assert found.reasons[0] == "advised, not measured: 14.2 GiB needed, 8 GiB there"
    assert "the size rule would have said finetune" in found.reasons[-1]


def test_advice_takes_the_best_path_that_is_not_vetoed_and_says_what_would_turn_it() -> None:
    facts = {"open_weights": True, "documents": 9, "examples": 5, "min_examples": 20}
    found = advised(vetoes=fact_vetoes(**facts))
    assert found.path == "rag"
    assert [(flip.setting, flip.op, flip.value, flip.becomes) for flip in found.flip_when] == [
        ("min_examples", "<=", 5, "finetune+rag")
    ]


def test_without_evidence_the_rule_speaks_and_without_a_rule_the_simplest_path() -> None:
    assert advised(evidence=NOTHING).path == "finetune"
    assert advised("code", evidence=NOTHING).path == "prompt"


def test_memory_here_is_no_reason_against_every_path_elsewhere() -> None:
    facts = {"open_weights": True, "documents": 0, "examples": 99, "min_examples": 20}
    found = advised(vetoes=fact_vetoes(**facts, answer_gib=14, train_gib=38, memory_gib=8))
    assert found.path == "finetune"
    assert "a machine where it does" in found.reasons[1]
    assert {one.limit for one in found.vetoes} == {"documents", "memory_gib"}


def test_advice_with_every_path_ruled_out_is_refused() -> None:
    with pytest.raises(InputError, match=r"rag: 2.0 > 1.0"):
        advised(vetoes=[veto(path) for path in PATHS])


def test_measured_verdict_carries_the_decision_and_survives_json() -> None:
    data = [replace(one, clusters=("d",) * 200) for one in table({"prompt": 0.1, "rag": 0.9})]
    decision = decide(data, (), Settings())
    found = measured_verdict(
        model="m",
        params=None,
        size_class="large",
        rule=size_rule("large", "question-answering"),
        evidence=NOTHING,
        vetoes=(veto("finetune"),),
        decision=decision,
        settings=Settings(),
        test=TestScore("f1", Interval(0.5, 0.4, 0.6), 100, 1),
    )
    assert (found.path, found.basis, found.undecided) == ("prompt", "measured", True)
    assert found.margins[0].low == -math.inf
    assert "rag" in found.reasons[-1]
    adapter = TypeAdapter(Verdict)
    assert adapter.validate_json(adapter.dump_json(found)) == found

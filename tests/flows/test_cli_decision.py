"""`adapt run --plan`, `adapt decide` and `adapt explain`, in this process."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows import console_decision
from tasks.artifacts import Answer, ModelRef, Passage, Prompt, Retrieval, Scorecard, System
from tasks.core.stats import mean_interval
from tasks.store import put_rows
from tests.corpora import index_of_nothing
from tests.cut import write_cut

Adapt = Callable[..., tuple[int, str, str]]

READ = Passage(
    document="d", title="Trees", position=0, text="Oaks grow slowly.", score=0.5, sha="t1"
)
TICKETS = Path(__file__).parents[2] / "examples" / "tickets" / "tickets.toml"


def card(
    retrieves: bool,
    scores: Sequence[float],
    ref: str = "path:/m",
    params: float = 1e8,
    metric: str = "f1",
) -> dict[str, Any]:
    model = ModelRef(ref=ref, name=ref, size_class="small", params=params)
    system = System(
        model=model, prompt=Prompt(name="brief", instruction="Answer."),
        retrieval=Retrieval(index=index_of_nothing(), k=1) if retrieves else None,
    )  # fmt: skip
    rows = [
        Answer(
            question_id=f"q{at}", cluster=f"d{at}", kind="all", question=f"Question {at}?",
            expected=("oak",), prompt="", passages=(READ,) * retrieves,
            answer=f"answer {at} of {system.path}", scores={metric: score}, tokens_in=9,
            tokens_out=1,
        )
        for at, score in enumerate(scores)
    ]  # fmt: skip
    blob = put_rows(rows)
    score = mean_interval(list(scores), [row.cluster for row in rows], bounds=(0, 1))
    made = Scorecard(
        model=model.ref, params=params, path=system.path, split="dev", questions_digest="dev-1",
        primary=metric, n=len(rows), metrics={metric: score}, by_kind={}, prompt="brief",
        answers={"uri": blob.uri, "digest": blob.sha}, cost={"train_seconds": 0}, system=system,
    )  # fmt: skip
    return made.model_dump(mode="json")


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """What a run leaves behind that measured prompt and rag on 40 questions."""
    cards = [card(False, [0.1, 0.2] * 20), card(True, [0.5, 0.9] * 20)]
    (tmp_path / "scorecards.json").write_text(json.dumps({"scorecards": cards}))
    return tmp_path


def test_decide_says_what_other_settings_give_and_why(adapt: Adapt, folder: Path) -> None:
    code, out, _ = adapt("decide", str(folder))
    assert code == 0
    assert "Verdict: rag, ahead of prompt by 0.550" in out
    assert "flip when: prompt if min_gain is at least" in out
    assert "Nothing was measured again or registered." in out
    options = ["--min-gain", "0.6", "--json", "--output", str(folder / "again")]
    code, out, _ = adapt("decide", str(folder), *options)
    document = json.loads(out, parse_constant=pytest.fail)
    assert (code, document["verdicts"][0]["path"]) == (0, "prompt")
    assert json.loads((folder / "again" / "verdict.json").read_text()) == document


def test_decide_names_what_is_at_fault(adapt: Adapt, folder: Path) -> None:
    code, out, err = adapt("decide", str(folder), "--min-gain", "7")
    assert (code, out) == (2, "")
    assert "error: --min-gain (decision.min_gain)" in err
    for options in (["--confidence", "0.1"], ["--primary", "f9"], ["--memory-gib", "-1"],
                    ["--seconds-p95", "1"]):  # fmt: skip
        code, _, err = adapt("decide", str(folder), *options)
        assert code == 2
        assert f"error: {options[0]} (" in err
    code, _, err = adapt("decide", str(folder / "none"))
    assert code == 2
    assert "Errno" not in err
    (folder / "file").write_text("")
    code, _, err = adapt("decide", str(folder), "--output", str(folder / "file" / "below"))
    assert code == 2
    assert "error: --output" in err
    written = json.loads((folder / "scorecards.json").read_text())
    written["scorecards"][1]["questions_digest"] = "dev-2"
    (folder / "scorecards.json").write_text(json.dumps(written))
    code, _, err = adapt("decide", str(folder))
    assert code == 2
    assert "dev-1" in err
    assert "dev-2" in err


def test_explain_shows_reasons_numbers_and_both_answers(adapt: Adapt, folder: Path) -> None:
    adapt("decide", str(folder), "--output", str(folder))
    code, out, _ = adapt("explain", str(folder))
    assert code == 0
    assert "path:/m: rag (measured)" in out
    assert "rag is ahead of it by +0.550" in out
    assert "Where rag and prompt differ:" in out
    assert out.count("    expected: oak") == 10
    assert "read:" not in out
    assert out.index("rag: answer 1 of rag (0.90)") < out.index("prompt: answer 1 of prompt (0.20)")
    assert "Flip when: prompt if min_gain is at least" in out
    code, out, _ = adapt("explain", str(folder), "--question", "q5", "--json")
    (shown,) = json.loads(out)["models"][0]["apart"]
    assert (code, shown["question_id"]) == (0, "q5")
    code, _, err = adapt("explain", str(folder), "--question", "q50")
    assert code == 2
    assert "--question" in err


def test_what_is_no_question_about_documents_is_decided_and_explained_as_an_example(
    adapt: Adapt, folder: Path
) -> None:
    prompt, rag = [0.1, 0.2] * 20, [0.3, 0.1] * 20
    cards = [card(False, prompt, metric="chrf"), card(True, rag, metric="chrf")]
    (folder / "scorecards.json").write_text(json.dumps({"scorecards": cards}))
    run = {"name": "locks", "task": "translation", "data": {"examples": "l.jsonl"}}
    (folder / "run.json").write_text(json.dumps(run | {"models": [{"ref": "path:/m"}]}))
    told = [adapt("decide", str(folder), "--output", str(folder))[1]]
    told.append(adapt("explain", str(folder))[1])
    for out in told:
        assert "more examples would settle it" in out
        assert "questions" not in out


def test_one_question_is_explained_by_its_answers_alone(adapt: Adapt, folder: Path) -> None:
    adapt("decide", str(folder), "--output", str(folder))
    code, out, _ = adapt("explain", str(folder), "--question", "q5")
    assert code == 0
    assert out.strip().splitlines() == [
        "path:/m: rag (measured)",
        "  q5: Question 5?",
        "    expected: oak",
        "    prompt: answer 5 of prompt (0.20)",
        "    rag: answer 5 of rag (0.90)",
        "      read: Trees: Oaks grow slowly.",
    ]


def test_the_choice_among_models_comes_first_and_what_is_open_says_so(
    adapt: Adapt, folder: Path
) -> None:
    written = json.loads((folder / "scorecards.json").read_text())
    large = [
        card(False, [0.5, 0.3] * 20, "path:/n", 1e9),
        card(True, [0.2, 0.7] * 20, "path:/n", 1e9),
    ]
    written["scorecards"] += large
    (folder / "scorecards.json").write_text(json.dumps(written))
    adapt("decide", str(folder), "--output", str(folder))
    code, out, _ = adapt("explain", str(folder))
    assert code == 0
    assert out.strip().startswith("Of the models' winners: path:/m with rag.")
    assert "path:/m: rag (measured)\n" in out
    assert "path:/n: prompt (measured, undecided)\n" in out
    assert "path:/n: measured, undecided, as before\n" in adapt("decide", str(folder))[1]


@pytest.fixture
def runfile(tmp_path: Path) -> Path:
    (tmp_path / "cut").mkdir()
    return write_cut(tmp_path / "cut")


def test_a_plan_tells_what_is_tried_skipped_and_shown_before_anything_is_loaded(
    adapt: Adapt, runfile: Path
) -> None:
    code, out, _ = adapt("run", str(runfile), "--plan")
    assert code == 0
    assert "path finetune+rag  plan measure  GiB, estimated" in out
    assert "plan skip" in out
    assert "of 12.0 GiB there" in out
    assert "OPENAI_API_KEY is not set" in out
    assert "30 dev questions in" in out
    assert "with a chance of 80%" in out
    assert not Path("runs").exists() or "cut" not in {path.name for path in Path("runs").iterdir()}
    code, out, _ = adapt("run", str(runfile), "--plan", "--budget-seconds", "1e6", "--json")
    document = json.loads(out, parse_constant=pytest.fail)
    small, mid, _ = document["models"]
    assert [one["tried"] for one in small["paths"]] == [True] * 4
    assert all(one["seconds"] > 0 and one["memory_gib"] > 0 for one in small["paths"])
    assert mid["reason"]
    assert small["looks"][-1] == 30
    assert "training finetune fits" in small["race"]
    assert document["power"]["questions"] == 30
    assert document["power"]["least_gain"] > 0.2
    assert document["power"]["questions_for"] > 400


def test_a_plan_speaks_of_examples_where_no_question_is_about_a_document(adapt: Adapt) -> None:
    code, out, _ = adapt("run", str(TICKETS), "--plan")
    assert code == 0
    assert "Examples: 120 train, 96 dev, 88 test." in out
    assert "96 dev examples show a true gain" in out
    assert "documents" not in out


def test_a_budget_that_is_too_small_is_told_in_the_plan(adapt: Adapt, runfile: Path) -> None:
    out = adapt("run", str(runfile), "--plan", "--budget-seconds", "1e-6")[1]
    assert "too small for a look" in out


def test_a_plan_is_a_table_on_a_terminal(
    adapt: Adapt, runfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=140, color_system=None)
    monkeypatch.setattr(console_decision, "out", lambda: screen)
    assert adapt("run", str(runfile), "--plan")[0] == 0
    assert "┃ path" in screen.file.getvalue()


def test_a_plan_loads_no_model(adapt: Adapt, runfile: Path, monkeypatch) -> None:
    from tasks.models import loading

    monkeypatch.setattr(loading, "load_decoder", lambda *given: pytest.fail("loaded"))
    assert adapt("run", str(runfile), "--plan")[0] == 0

import io
import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flows import console_outcome
from tasks import ask, doctor
from tasks.artifacts import (
    ModelRef,
    Passage,
    Prompt,
    Scorecard,
    System,
)
from tasks.ask import Reply
from tasks.core.decide import FlipWhen, Margin, TestScore, Verdict
from tasks.core.errors import InputError
from tasks.core.evidence import Evidence
from tasks.core.race_record import Raced
from tasks.core.rule import RuleAdvice
from tasks.core.stats import Interval
from tasks.results.outcome import Champion, Outcome
from tasks.run import Budget

ADAPT = [sys.executable, "-m", "flows.cli"]


def verdict(**changes: Any) -> Verdict:
    values: dict[str, Any] = {
        "model": "tiny", "params": 1e8, "size_class": "small", "path": "rag", "basis": "measured",
        "rule": RuleAdvice("finetune", True, "small: finetune"),
        "evidence": Evidence("rag", ("rag",), 1, 1, "rag", ()), "reasons": ("rag leads",),
        "vetoes": (), "margins": (Margin("rag", "prompt", 0.3, 0.21, float("inf"), True),),
        "flip_when": (FlipWhen("min_gain", ">", 0.21, "prompt", "min_gain is above 0.21"),),
        "undecided": False, "questions_to_settle": None,
        "test": TestScore("f1", Interval(0.6, 0.5, 0.7), 124, 1),
        "confidence": 0.95, "min_gain": 0.02,
    }  # fmt: skip
    return Verdict(**values | changes)


def scorecard(path: str, value: float) -> Scorecard:
    score = Interval(value, value - 0.1, value + 0.1)
    model = ModelRef(ref="path:/m", name="tiny", size_class="small")
    return Scorecard(
        model="tiny", params=1e8, path=path, split="dev", questions_digest="d", primary="f1", n=10,
        metrics={"f1": score}, by_kind={}, answers={}, cost={"answer_seconds": 5.0}, prompt="brief",
        system=System(model=model, prompt=Prompt(name="brief", instruction="Answer.")),
    )  # fmt: skip


OUTCOME = Outcome(
    champion=Champion(model="tiny", path="rag", name="grove", version="1", alias="champion"),
    verdicts=(
        verdict(),
        verdict(model="gpt-4", basis="advised", reasons=("no key",), margins=(), test=None),
    ),
)
CARDS = (scorecard("rag", 0.55), scorecard("prompt", 0.25))


@pytest.fixture
def runfile(tmp_path: Path) -> Path:
    path = tmp_path / "grove.toml"
    path.write_text(
        'name = "grove"\n[data]\ndocuments = "d"\nquestions = "q.jsonl"\n'
        '[[models]]\nref = "hf:a/b"\nparams = 3e9\n[[models]]\nref = "openai:gpt-4"\n'
    )
    return path


@pytest.fixture
def flow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Puts a function in the place of the flow."""

    def put(stand_in: Callable[..., Any]) -> None:
        module = types.ModuleType("flows.adapt")
        module.adapt = stand_in  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "flows.adapt", module)

    return put


def finished(output: str) -> Outcome:
    """What the flow leaves behind: its scorecards in the output folder, and the outcome."""
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    cards = [card.model_dump(mode="json") for card in CARDS]
    (folder / "scorecards.json").write_text(json.dumps({"scorecards": cards}))
    return OUTCOME


def test_run_prints_scores_verdict_files_and_next_commands(adapt, flow, runfile, tmp_path) -> None:
    flow(lambda runfile, output, *chosen: finished(output))
    code, out, _ = adapt("run", str(runfile), "--output", str(tmp_path / "o"))
    assert code == 0
    assert out.index("path prompt  f1 0.250") < out.index("path rag  f1 0.550")
    assert "interval 0.450 to 0.650  seconds/question 0.50  chosen" in out
    assert "Verdict: rag, ahead of prompt by 0.300 (at least 0.210)." in out
    assert "On 124 unseen questions: f1 0.600" in out
    assert "flip when: min_gain is above 0.21" in out
    assert "gpt-4: advised, not measured\nAdvice: rag.\n  - no key" in out
    assert str(tmp_path / "o") in out
    assert 'ask grove "your question"' in out
    assert "mlflow ui --backend-store-uri sqlite:///" in out
    assert f"adapt explain {tmp_path / 'o'}" in out


def test_run_prints_what_a_budget_bought(adapt, flow, runfile, tmp_path, monkeypatch) -> None:
    race = Raced(
        {"seconds": 60}, {"seconds": 30, "money": 0, "energy_kwh": 0}, (25,), 25, 40, None, "", ()
    )
    raced = (verdict(race=race, undecided=True), OUTCOME.verdicts[1])
    outcome = OUTCOME.model_copy(update={"verdicts": raced})
    flow(lambda runfile, output, *chosen: finished(output) and outcome)
    out = adapt("run", str(runfile), "--output", str(tmp_path / "o"))[1]
    assert "Spent 30 of 60 seconds; 1 look planned, at 25 of 40 questions." in out
    assert "Verdict: rag, undecided: not enough evidence for another." in out


def test_run_with_json_prints_one_document_whatever_the_work_prints(
    adapt, flow, runfile, tmp_path
) -> None:
    def noisy(runfile: str, output: str, *chosen: Any) -> Any:
        print("noise from a library")
        return finished(output)

    flow(noisy)
    code, out, err = adapt("run", str(runfile), "--json", "--output", str(tmp_path / "o"))
    document = json.loads(out, parse_constant=pytest.fail)
    assert code == 0
    assert document["output"] == str(tmp_path / "o")
    assert document["champion"]["name"] == "grove"
    assert [verdict["model"] for verdict in document["verdicts"]] == ["tiny", "gpt-4"]
    assert "noise from a library" in err


def test_options_reach_the_flow(adapt, flow, runfile, tmp_path) -> None:
    seen: list[Any] = []
    flow(lambda *given: seen.append(given) or finished(given[1]))
    options = f"--output {tmp_path / 'o'} --model hf:a/b --path prompt --path rag --min-gain 0.05"
    assert adapt("run", str(runfile), *options.split())[0] == 0
    assert seen == [
        (str(runfile), str(tmp_path / "o"), ["hf:a/b"], ["prompt", "rag"], 0.05, None, None),
    ]
    assert adapt("run", str(runfile), "--output", str(tmp_path / "p"))[0] == 0
    assert seen[1] == (str(runfile), str(tmp_path / "p"), *[None] * 5)
    budget = f"--output {tmp_path / 'o'} --budget-seconds 60 --budget-kwh 0.1 --budget-money 2"
    assert adapt("run", str(runfile), *budget.split())[0] == 2  # openai:gpt-4 has no price
    assert adapt("run", str(runfile), *budget.split(), "--model", "hf:a/b")[0] == 0
    assert seen[2][-1] == Budget(seconds=60, energy_kwh=0.1, money=2)


FAULTY = [
    ("decision", "--path", "rags"), ("decision", "--min-gain", "2"),
    ("budget.seconds", "--budget-seconds", "-5"),
]  # fmt: skip


@pytest.mark.parametrize("options", FAULTY)
def test_faulty_option_is_named_before_anything_starts(adapt, flow, runfile, options) -> None:
    flow(lambda *given: pytest.fail("started"))
    code, out, err = adapt("run", str(runfile), *options[1:])
    assert code == 2
    assert out == ""
    assert options[0] in err
    assert options[2] in err


def test_bad_input_anywhere_is_explained_on_stderr_with_exit_code_2(adapt, flow, runfile) -> None:
    def fail(*given: Any) -> Any:
        raise InputError("q.jsonl: line 3", "{", "one JSON object a line", "Mend this line.")

    flow(fail)
    code, out, err = adapt("run", str(runfile))
    assert (code, out) == (2, "")
    for part in ("q.jsonl: line 3", "'{'", "one JSON object a line", "Mend this line."):
        assert part in err
    assert "Traceback" not in err


def test_unknown_key_in_the_run_file_suggests_the_nearest(adapt, runfile) -> None:
    runfile.write_text(runfile.read_text() + "[decision]\nmin_gian = 0.1\n")
    code, _, err = adapt("run", str(runfile))
    assert code == 2
    assert "'min_gain'" in err


def test_brackets_in_a_fault_are_printed_as_they_are(adapt, flow, runfile) -> None:
    def fail(*given: Any) -> Any:
        raise InputError("run file", "[bold]", "a [[models]] table", "See [data] and :smile:.")

    flow(fail)
    err = adapt("run", str(runfile))[2]
    assert "'[bold]'" in err
    assert "[[models]]" in err
    assert "[data] and :smile:" in err


def test_interrupt_says_that_the_same_command_goes_on(adapt, flow, runfile) -> None:
    def interrupted(*given: Any) -> Any:
        raise KeyboardInterrupt

    flow(interrupted)
    code, out, err = adapt("run", str(runfile))
    assert (code, out) == (130, "")
    assert err.strip().splitlines() == [
        "Interrupted. The same command goes on from the last finished stage."
    ]


def test_other_errors_keep_their_traceback(adapt, flow, runfile) -> None:
    flow(lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        adapt("run", str(runfile))


def test_unknown_option_exits_with_2(adapt) -> None:
    assert adapt("run", "x.toml", "--plam")[0] == 2


REPLY = Reply(
    model="grove", version="3", alias="champion", question="Which?", answer="The heron.",
    passages=(Passage(document="birds", title="Birds", position=0, text="…", score=1, sha="s"),),
)  # fmt: skip


def test_ask_prints_the_answer_then_its_sources(adapt, monkeypatch) -> None:
    monkeypatch.setattr(ask, "ask_registered", lambda name, question, alias: REPLY)
    assert adapt("ask", "grove", "Which?")[1].split("\n") == [
        "The heron.", "", "Sources:", "  1. Birds (birds)", "",
    ]  # fmt: skip
    document = json.loads(adapt("ask", "grove", "Which?", "--json")[1])
    assert document["answer"] == "The heron."
    assert document["passages"][0]["document"] == "birds"


def test_ask_refuses_a_blank_question(adapt) -> None:
    code, _, err = adapt("ask", "grove", " ")
    assert code == 2
    assert "QUESTION" in err


def test_advise_shows_rule_and_evidence_apart_with_cases_vetoes_and_flips(adapt) -> None:
    facts = "--params 7e9 --task classification --examples 5000 --form task --memory-gib 24"
    code, out, _ = adapt("advise", *facts.split())
    assert code == 0
    assert out.startswith("Advice: ")
    for part in (
        "points of 100 (80% interval)", "Size rule (mid): -.", "Evidence: finetune.", "arXiv:",
        "Vetoed: finetune: about 39.1 GiB", "Flip when: finetune if memory_gib is at least",
        "Not known, and counted as such: changes, exposure, covers",
    ):  # fmt: skip
        assert part in out
    document = json.loads(adapt("advise", *facts.split(), "--json")[1])
    assert [one["path"] for one in document["ranking"]][2:] == ["finetune", "finetune+rag"]
    assert document["rule"]["path"] is None
    assert document["evidence"]["path"] == "finetune"


def test_advise_without_any_fact_still_ranks_all_four(adapt) -> None:
    document = json.loads(adapt("advise", "--json")[1])
    assert {one["path"] for one in document["ranking"]} == set(console_outcome.PATHS)


def test_advise_refuses_limits_that_no_path_meets(adapt) -> None:
    code, out, err = adapt("advise", "--params", "7e9", "--memory-gib", "2")
    assert (code, out) == (2, "")
    assert "14.4 GiB needed to answer, 2 GiB there" in err


def test_advise_answers_a_table_and_names_faulty_cells(adapt, tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "params_billions,architecture,task_type,n_train,training_data,knowledge_changes,"
        "knowledge_exposure,corpus_covers,retriever\n"
        "7,decoder,document QA,,raw-text,no,domain,yes,real\n"
        "-7,decoder,document QA,,raw-text,no,domain,yes,real\n"
    )
    code, out, err = adapt("advise", "--table", str(path))
    assert (code, out) == (2, "")
    assert "line 3, column params_billions" in err
    code, out, err = adapt("advise", "--table", str(path), "--keep-going")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith(",retriever,advice")
    assert lines[1].endswith(",real,rag>finetune+rag>finetune>prompt")
    assert lines[2].endswith(",real,")
    assert "line 3, column params_billions" in err
    rows = json.loads(adapt("advise", "--table", str(path), "--keep-going", "--json")[1])["rows"]
    assert rows[0]["advice"].startswith("rag>")


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_fails_only_if_a_check_fails(adapt, monkeypatch, status, code) -> None:
    checks = (doctor.Check(name="disk", status=status, found="1 GiB", remedy="Free some."),)
    monkeypatch.setattr(doctor, "examine", lambda run, folder: checks)
    assert adapt("doctor")[:2] == (code, f"{status:4}  disk: 1 GiB\n      Free some.\n")
    got, out, _ = adapt("doctor", "--json")
    assert got == code
    assert json.loads(out)["checks"][0]["status"] == status


def test_doctor_examines_the_run_file_beside_its_folder(adapt, monkeypatch, runfile) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(doctor, "examine", lambda *given: seen.append(given) or ())
    assert adapt("doctor", str(runfile))[0] == 0
    assert (seen[0][0].name, seen[0][1]) == ("grove", runfile.parent)


def test_init_refuses_documents_that_are_not_there(adapt, tmp_path) -> None:
    folder, gone = tmp_path / "new", str(tmp_path / "gone")
    code, _, err = adapt("init", str(folder), "--documents", gone, "--questions", gone)
    assert code == 2
    assert gone in err
    assert not folder.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"undecided": True, "questions_to_settle": 400},
            "about 400 more questions would settle it",
        ),
        ({"undecided": True}, "undecided: no path is ahead by enough."),
        ({"path": "prompt", "test": None}, "Verdict: prompt."),
    ],
)
def test_sentence_says_what_was_decided(changes: dict[str, Any], said: str) -> None:
    assert said in console_outcome.sentence(verdict(**{"test": None} | changes))


def test_sentence_recommends_nothing_where_no_path_stays_within_the_limits() -> None:
    assert console_outcome.sentence(verdict(path=None)).startswith("Verdict: none.")


def test_sentence_names_the_claim_with_the_lowest_bound() -> None:
    margins = (
        Margin("rag", "prompt", 0.5, 0.4, 0.6, True),
        Margin("rag", "finetune", 0.2, 0.1, 0.3, True),
        Margin("finetune", "prompt", 0.1, 0.0, 0.2, False),
    )
    text = console_outcome.sentence(verdict(margins=margins, test=None))
    assert text == "Verdict: rag, ahead of finetune by 0.200 (at least 0.100)."


def test_challenger_is_asked_by_its_alias_and_nothing_is_asked_if_nothing_was_registered(
    home: Path,
) -> None:
    champion = Champion(model="m", path="rag", name="grove", version="2", alias="challenger")
    asked = console_outcome.next_commands(Outcome(champion=champion, verdicts=()))
    assert asked[1].endswith('ask grove "your question" --alias challenger')
    left = champion.model_copy(update={"version": None, "alias": None})
    assert not any(
        " ask " in line
        for line in console_outcome.next_commands(OUTCOME.model_copy(update={"champion": left}))
    )


def test_terminal_gets_a_table_and_no_colour_if_none_is_wanted(monkeypatch, home) -> None:
    for no_color, coloured in ((None, True), ("1", False)):
        monkeypatch.delenv("NO_COLOR", raising=False)
        if no_color:
            monkeypatch.setenv("NO_COLOR", no_color)
        screen = Console(
            file=io.StringIO(), force_terminal=True, width=100, color_system="standard"
        )
        monkeypatch.setattr(console_outcome, "out", lambda screen=screen: screen)
        console_outcome.print_outcome(OUTCOME, CARDS, Path("o"), as_json=False)
        text = screen.file.getvalue()
        assert "┃" in text
        assert ("\x1b[1;32m" in text) is coloured


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'prefect', 'mlflow', 'lancedb', 'transformers', 'scipy', 'pandas'}"
    code = f"import sys; import flows.cli, flows.console; sys.exit(str({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_command_is_there_and_lists_what_it_can_do() -> None:
    done = subprocess.run([*ADAPT, "--help"], capture_output=True, text=True, check=True)
    for name in ("run", "ask", "doctor", "init"):
        assert f" {name} " in done.stdout

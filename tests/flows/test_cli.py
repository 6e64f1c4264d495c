"""The command line in this process: what it prints, refuses and hands on."""

import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks import ask, doctor
from tasks.artifacts import Passage
from tasks.ask import Reply
from tasks.core.errors import InputError
from tasks.core.race_record import Raced
from tasks.run import Budget
from tests.flows.finished import OUTCOME, finished, verdict

TICKETS = Path(__file__).parents[2] / "examples" / "tickets" / "tickets.toml"
ADAPT = [sys.executable, "-m", "flows.cli"]


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


def test_a_run_that_asks_about_no_documents_is_told_in_examples(adapt, flow, tmp_path) -> None:
    flow(lambda runfile, output, *chosen: finished(output))
    out = adapt("run", str(TICKETS), "--output", str(tmp_path / "o"))[1]
    assert "interval 0.450 to 0.650  seconds/example 0.50  chosen" in out
    assert "On 124 unseen examples: f1 0.600" in out
    assert 'ask grove "your text"' in out
    assert "question" not in out


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
    ("decision.paths", "--path", "rags"), ("decision.min_gain", "--min-gain", "2"),
    ("budget.seconds", "--budget-seconds", "-5"),
]  # fmt: skip


@pytest.mark.parametrize("options", FAULTY)
def test_faulty_option_is_named_before_anything_starts(adapt, flow, runfile, options) -> None:
    flow(lambda *given: pytest.fail("started"))
    code, out, err = adapt("run", str(runfile), *options[1:])
    assert code == 2
    assert out == ""
    assert f"error: {options[1]} ({options[0]})" in err
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "{gone}"), ("run", "{gone}", "--plan"), ("doctor", "{gone}"), ("refresh", "{gone}"),
        ("decide", "{gone}"), ("explain", "{gone}"), ("explain", "{folder}"),
        ("advise", "--table", "{gone}"), ("advise", "--table", "{folder}"), ("run", "{folder}"),
        ("run", "{runfile}", "--output", "{runfile}/below"), ("init", "{runfile}/below"),
        ("index", "list", "{gone}"), ("run", "{runfile}", "--plan"),
    ],
)  # fmt: skip
def test_a_file_or_folder_that_is_not_there_is_told_in_words(
    adapt, flow, runfile, tmp_path, arguments
) -> None:
    flow(lambda *given: pytest.fail("started"))
    places = {"gone": tmp_path / "gone.toml", "folder": tmp_path, "runfile": runfile}
    code, out, err = adapt(*(one.format(**places) for one in arguments))
    assert (code, out) == (2, "")
    assert "error: " in err
    assert "to do: " in err
    assert "Errno" not in err


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


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'prefect', 'mlflow', 'lancedb', 'transformers', 'scipy', 'pandas'}"
    code = f"import sys; import flows.cli, flows.console; sys.exit(str({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"


def test_command_is_there_and_lists_what_it_can_do() -> None:
    done = subprocess.run([*ADAPT, "--help"], capture_output=True, text=True, check=True)
    for name in ("run", "ask", "doctor", "init"):
        assert f" {name} " in done.stdout

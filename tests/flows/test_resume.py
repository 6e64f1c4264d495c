"""What a killed, interrupted or ill-fed run leaves behind, and what the next one does."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cut import write_cut
from tests.tiny import build_tiny

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

# Progress is told in lines from the first unit on, so that a step can be met half-way.
ADAPT = [
    sys.executable, "-c",
    "from flows import cli, terminal; terminal.LOG_EVERY = 0; cli.main()",
]  # fmt: skip
FILLER = 10  # documents that make embedding take some batches
TWO = ("--path", "rag", "--path", "finetune")
EPOCHS = 8
SETTINGS = f"""
[training]
epochs = {EPOCHS}
epochs_with_passages = 2
max_tokens = 4096

[answering]
max_new_tokens = 8
demonstrations = 2
prompt_sample = 6
"""


class Place(NamedTuple):
    """Where a run's files, store and results go."""

    folder: Path
    environment: dict[str, str]

    @property
    def store(self) -> Path:
        return self.folder / "home" / "store"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def stored(self, kind: str) -> list[str]:
        """What the store holds of a kind, half-written things included."""
        folder = self.store / kind
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def indexes(self) -> list[str]:
        """The finished states of indexes."""
        return sorted(path.stem for path in self.store.glob("indexes/*/*@*.json"))

    def registered(self) -> list[str]:
        """Names in the registry."""
        from mlflow import MlflowClient

        database = self.folder / "home" / "mlflow.db"
        client = MlflowClient(f"sqlite:///{database}", f"sqlite:///{database}")
        return [model.name for model in client.search_registered_models()]

    def reused(self) -> set[str]:
        """Stages that the one finished run took from the cache."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder / 'home' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("cut").experiment_id
        (run,) = [
            run for run in client.search_runs([experiment]) if "reused_stages" in run.data.tags
        ]
        return set(run.data.tags["reused_stages"].split(", "))

    def start(self, runfile: Path, *options: str) -> "subprocess.Popen[str]":
        """Start the command, as leader of a group of its own."""
        command = [*ADAPT, "run", str(runfile), "--output", str(self.output), *options]
        return subprocess.Popen(
            command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip

    def finish(self, runfile: Path, *options: str) -> tuple[int, str]:
        """Run the command to its end; gives exit code and what it wrote on stderr."""
        process = self.start(runfile, *options)
        _, told = process.communicate(timeout=240)
        return process.returncode, told

    def verdict(self) -> Any:
        return json.loads((self.output / "verdict.json").read_text())


@pytest.fixture(scope="module")
def runfile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cut with a tiny random model and a corpus of some hundred passages."""
    folder = tmp_path_factory.mktemp("data")
    model = build_tiny(tmp_path_factory.mktemp("models") / "tiny", positions=4096)
    path = write_cut(folder)
    for n in range(FILLER):
        words = " ".join(
            f"Berth {n}-{m} lies {m * 7 + n} fathoms off pile {m % 13}, under lamp {m * n}."
            for m in range(60)
        )
        (folder / "documents" / f"berths-{n}.md").write_text(f"# Berths, sheet {n}\n\n{words}\n")
    text = path.read_text()
    head, tail = text.index("[[models]]"), text.index("[training]")
    spec = f'[[models]]\nref = "path:{model}"\nparams = 1.2e5\nsize_class = "small"\n\n'
    index = text[text.index("[index]") : tail]
    path.write_text(text[:head] + spec + index + SETTINGS)
    return path


@pytest.fixture
def place(tmp_path: Path, prefect_url: str) -> Callable[[str], Place]:
    """Makes places on the tests' Prefect server."""

    def make(name: str) -> Place:
        folder = tmp_path / name
        folder.mkdir()
        taken = {"MLFLOW_TRACKING_URI", "OPENAI_API_KEY", "ADAPT_ARTIFACT_STORE"}
        kept = {key: value for key, value in os.environ.items() if key not in taken}
        own = {
            "ADAPT_HOME": str(folder / "home"),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": prefect_url,
        }
        return Place(folder, kept | own)

    return make


def half_way(process: "subprocess.Popen[str]", step: str, share: float = 0.0) -> None:
    """Read until a step has done a part of its units, more than this share of them."""
    seen = []
    assert process.stderr is not None
    for line in process.stderr:
        seen.append(line)
        found = re.match(rf"{re.escape(step)} (\d+)/(\d+)", line)
        if found and share * int(found[2]) < int(found[1]) < int(found[2]):
            return
    pytest.fail(f"{step} was never half-way:\n{''.join(seen)}")


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL


def test_a_run_killed_in_indexing_and_in_training_ends_as_if_undisturbed(runfile, place) -> None:
    killed, undisturbed = place("killed"), place("undisturbed")

    process = killed.start(runfile, *TWO)
    half_way(process, "embedding")
    kill(process)
    assert killed.indexes() == []
    assert not killed.output.exists()

    process = killed.start(runfile, *TWO)
    half_way(process, "training finetune", share=2 / EPOCHS)
    kill(process)
    assert len(killed.indexes()) == 1
    assert killed.stored("adapters") == []
    assert killed.registered() == []
    assert not killed.output.exists()

    code, told = killed.finish(runfile, *TWO)
    assert code == 0, told
    assert {"build index", "choose prompt: rag", "answer dev: rag"} <= killed.reused()
    assert not {name for name in killed.reused() if "finetune" in name}
    code, told = undisturbed.finish(runfile, *TWO)
    assert code == 0, told
    assert killed.verdict() == undisturbed.verdict()
    assert killed.registered() == ["cut"]
    for kind in ("adapters", "blobs"):
        assert not [name for name in killed.stored(kind) if name.endswith(".part")]
    assert len(killed.indexes()) == len(undisturbed.indexes()) == 1
    assert killed.stored("adapters") == undisturbed.stored("adapters")  # by digest
    assert "taken up after step" in (killed.output / "report.md").read_text()


def test_ctrl_c_ends_within_ten_seconds_with_exit_130_and_one_line(runfile, place) -> None:
    interrupted = place("interrupted")
    del interrupted.environment["PREFECT_API_URL"]  # its own server is interrupted with it
    process = interrupted.start(runfile, "--path", "finetune")
    half_way(process, "training finetune")
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - began < 10
    assert process.returncode == 130, told
    assert told.splitlines()[-1].startswith("Interrupted. The same command goes on")
    assert "Traceback" not in told
    assert interrupted.stored("adapters") == []
    assert not interrupted.output.exists()


BAD = {  # one that the flow meets, and one that shows before it is started
    "unknown model reference": (("--model", "zip:model"), "--model", "'zip:model'"),
    "unknown path": (("--path", "retrieve"), "decision.paths", "'retrieve'"),
}


def told_once(told: str, where: str, value: str) -> None:
    """One message that names the field and the value, and nothing that looks like a crash."""
    assert "Traceback" not in told
    (first,) = [line for line in told.splitlines() if line.startswith("error: ")]
    assert where in first
    after = told[told.index(first) :].splitlines()
    assert [line.split(":")[0].strip() for line in after[1:4]] == ["found", "allowed", "to do"]
    assert value in after[1]


@pytest.mark.parametrize(("options", "where", "value"), BAD.values(), ids=BAD)
def test_a_bad_option_is_exit_2_with_one_message_and_leaves_nothing(
    runfile, place, options, where, value
) -> None:
    here = place("bad")
    code, told = here.finish(runfile, *options)
    assert code == 2, told
    told_once(told, where, value)
    assert not here.output.exists()
    assert here.indexes() == here.stored("adapters") == []
    if (here.folder / "home" / "mlflow.db").exists():
        assert here.registered() == []


def test_a_faulty_line_is_exit_2_with_one_message_and_leaves_nothing(
    runfile, place, tmp_path
) -> None:
    shutil.copytree(runfile.parent, tmp_path / "data")
    questions = tmp_path / "data" / "questions.jsonl"
    questions.write_text(questions.read_text() + '{"id": "cut off\n')
    here = place("faulty")
    code, told = here.finish(tmp_path / "data" / runfile.name)
    assert code == 2, told
    told_once(told, "questions.jsonl: line 87", "cut off")
    assert not here.output.exists()
    assert here.registered() == []


def test_an_unknown_key_is_answered_with_the_nearest_known_one(runfile, place, tmp_path) -> None:
    path = tmp_path / "typo.toml"
    path.write_text(runfile.read_text().replace("epochs = 8", "epoch = 8"))
    here = place("typo")
    code, told = here.finish(path)
    assert code == 2, told
    told_once(told, "training.epoch", "'epoch'")
    assert "Did you mean 'epochs'?" in told
    assert list(here.folder.iterdir()) == []


def test_an_output_that_cannot_be_written_stops_the_run_before_it_begins(runfile, place) -> None:
    here = place("output")
    here.output.write_text("a file stands where the folder should be")
    code, told = here.finish(runfile)
    assert code == 2, told
    told_once(told, "--output", str(here.output))
    assert sorted(path.name for path in here.folder.iterdir()) == ["output"]


def test_a_tracking_server_that_does_not_answer_is_named_by_its_url(runfile, place) -> None:
    here = place("tracking")
    here.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    code, told = here.finish(runfile)
    assert code == 2, told
    told_once(told, "MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert not here.output.exists()
    assert not here.store.exists()

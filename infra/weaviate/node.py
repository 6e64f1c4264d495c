"""One node of a Weaviate server: its ports, its settings, its process."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .install import ServerError

HOST = "127.0.0.1"
USER = "adapt"
KEPT = ("PATH", "HOME", "TMPDIR", "GOMAXPROCS", "GOMEMLIMIT")  # all else would be settings
STOP_SECONDS = 30.0
PORTS = range(15_000, 30_000)  # below what systems give to outgoing connections


class Ports(NamedTuple):
    """What one node listens on; a cluster on one host expects raft's RPC right after raft."""

    http: int
    grpc: int
    gossip: int
    data: int
    raft: int
    raft_rpc: int


def is_free(port: int) -> bool:
    """Whether a port can be bound on every interface, as Weaviate binds some of its own."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("", port))
        except OSError:
            return False
    return True


def free_ports(nodes: int) -> tuple[Ports, ...]:
    """Six free ports a node, in one run of neighbours."""
    width = len(Ports._fields)
    for _ in range(200):
        first = random.choice(PORTS)
        if all(is_free(port) for port in range(first, first + width * nodes)):
            starts = (first + width * node for node in range(nodes))
            return tuple(Ports(*range(start, start + width)) for start in starts)
    raise ServerError(f"no {width * nodes} free ports in a row between {PORTS[0]} and {PORTS[-1]}")


def settings(node: int, every: tuple[Ports, ...], folder: Path, key: str) -> dict[str, str]:
    """One node's environment: loopback, an API key, no anonymous access, no telemetry."""
    ports = every[node]
    named = {name: os.environ[name] for name in KEPT if name in os.environ}
    named |= {
        "PERSISTENCE_DATA_PATH": str(folder),
        "DEFAULT_VECTORIZER_MODULE": "none",
        "API_BASED_MODULES_DISABLED": "true",
        "DISABLE_TELEMETRY": "true",
        "LOG_LEVEL": "info",
        "GO_PROFILING_DISABLE": "true",  # it would listen on every interface
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": key,
        "AUTHENTICATION_APIKEY_USERS": USER,
        "AUTHORIZATION_ADMINLIST_ENABLED": "true",
        "AUTHORIZATION_ADMINLIST_USERS": USER,
        "GRPC_PORT": str(ports.grpc),
        "CLUSTER_HOSTNAME": f"node{node + 1}",
        "CLUSTER_IN_LOCALHOST": "true",
        "CLUSTER_BIND_ADDR": HOST,
        "CLUSTER_ADVERTISE_ADDR": HOST,
        "CLUSTER_ADVERTISE_PORT": str(ports.gossip),
        "CLUSTER_GOSSIP_BIND_PORT": str(ports.gossip),
        "CLUSTER_DATA_BIND_PORT": str(ports.data),
        "CLUSTER_BASIC_AUTH_USERNAME": USER,  # the data port listens on every interface
        "CLUSTER_BASIC_AUTH_PASSWORD": key,
        "RAFT_PORT": str(ports.raft),
        "RAFT_INTERNAL_RPC_PORT": str(ports.raft_rpc),
        "RAFT_BOOTSTRAP_EXPECT": str(len(every)),
        "RAFT_JOIN": ",".join(f"node{at + 1}:{one.raft}" for at, one in enumerate(every)),
    }
    if len(every) == 1:
        named["RAFT_TIMEOUTS_MULTIPLIER"] = "1"  # it elects itself after 1 s instead of 5
    return named | ({"CLUSTER_JOIN": f"{HOST}:{every[0].gossip}"} if node else {})


class Node:
    """One process of the server, its data and its log."""

    def __init__(self, binary: Path, ports: Ports, named: Mapping[str, str], lock: int) -> None:
        self.binary, self.ports, self.named, self.lock = binary, ports, dict(named), lock
        self.folder = Path(self.named["PERSISTENCE_DATA_PATH"])
        self.log = self.folder.parent / f"{self.folder.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether its process is there (a paused one is)."""
        return self.process is not None and self.process.poll() is None

    def start(self, extra: Mapping[str, str]) -> None:
        """Begin, in a process group of its own: Ctrl-C is for the program that started it."""
        taken = [port for port in self.ports if not is_free(port)]
        if taken:
            raise ServerError(
                f"ports already in use: {taken}. Free them, or name others (--port, --grpc-port; "
                "another --folder for the ones between nodes).",
            )
        command = [str(self.binary), "--host", HOST, "--port", str(self.ports.http)]
        with self.log.open("ab") as told:
            self.process = subprocess.Popen(
                [*command, "--scheme", "http"], env=self.named | dict(extra), stdout=told,
                stderr=told, start_new_session=True, pass_fds=(self.lock,), cwd=self.folder,
            )  # fmt: skip

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the process is there."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait_until_ready(self, end: float) -> None:
        """Return once it serves HTTP and gRPC; a `ServerError` if it ends, or at `end`."""
        while time.monotonic() < end:
            if not self.alive:
                raise ServerError(f"Weaviate ended while starting; {self.log}:\n{self.tail()}")
            if self.serves():
                return
            time.sleep(0.1)
        raise ServerError(f"Weaviate was not ready in time; {self.log}:\n{self.tail()}")

    def serves(self) -> bool:
        """Whether it says that it is ready and its gRPC port accepts."""
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.ports.http}/v1/.well-known/ready", timeout=2
            ):
                return accepts(self.ports.grpc)
        except OSError:
            return False

    def end(self, number: signal.Signals) -> None:
        """Make it end by a signal, by SIGKILL if that takes too long."""
        if self.process is None:
            return
        self.send(number)
        self.send(signal.SIGCONT)  # a paused process handles nothing
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def tail(self) -> str:
        """The log's last lines."""
        return self.log.read_text(errors="replace")[-2000:]


def accepts(port: int) -> bool:
    """Whether something on loopback accepts a connection on a port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False

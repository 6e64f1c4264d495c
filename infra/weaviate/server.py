"""Run Weaviate on loopback, one node or three, for as long as a block lasts."""

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .install import ServerError, install, locked
from .node import HOST, Node, Ports, accepts, free_ports, settings

READY_SECONDS = 120.0  # a node takes about 4 s on two idle cores, a cluster of three 12 s


class Server:
    """A running server; tests of outages kill, pause and start it again on the same ports."""

    def __init__(self, nodes: tuple[Node, ...], key: str) -> None:
        self.nodes, self.key = nodes, key
        self.url = f"http://{HOST}:{nodes[0].ports.http}"
        self.grpc_port = nodes[0].ports.grpc

    @property
    def environment(self) -> dict[str, str]:
        """What points the project at this server."""
        return {
            "WEAVIATE_URL": self.url,
            "WEAVIATE_GRPC_PORT": str(self.grpc_port),
            "WEAVIATE_API_KEY": self.key,
        }

    def start(self, extra: Mapping[str, str] | None = None, seconds: float = READY_SECONDS) -> None:
        """Start the nodes that are not running, with `extra` settings; return when all serve."""
        end = time.monotonic() + seconds
        for node in self.nodes:
            if not node.alive:
                node.start(extra or {})
            if node is self.nodes[0] and len(self.nodes) > 1:
                self._await_gossip(end)
        for node in self.nodes:
            node.wait_until_ready(end)

    def _await_gossip(self, end: float) -> None:
        """The other nodes join the first one, and end if it isn't there."""
        first = self.nodes[0]
        while first.alive and time.monotonic() < end and not accepts(first.ports.gossip):
            time.sleep(0.1)

    def pause(self) -> None:
        """Let it hang: connections open, nothing answers (SIGSTOP)."""
        for node in self.nodes:
            node.send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        for node in self.nodes:
            node.send(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL); `start` brings it back with its data."""
        for node in self.nodes:
            node.end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order (SIGTERM)."""
        for node in self.nodes:
            node.send(signal.SIGTERM)
        for node in self.nodes:
            node.end(signal.SIGTERM)


@contextmanager
def running(
    folder: Path, nodes: int = 1, *, http: int = 0, grpc: int = 0,
    extra: Mapping[str, str] | None = None,
) -> Iterator[Server]:  # fmt: skip
    """A server with its data in `folder`, ready, until the end of the block.

    A folder keeps its API key and its ports; those of the first node can be given, and are
    free ones otherwise. `extra` adds to Weaviate's own environment variables.
    """
    binary, folder = install(), folder.resolve()
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(locked(folder / "lock", wait=False))
        except BlockingIOError:
            raise ServerError(f"a server already runs on {folder}: stop it first") from None
        key = remembered_key(folder)
        every = remembered_ports(folder, nodes, http, grpc)
        made = []
        for at, ports in enumerate(every):
            data = folder / f"node{at + 1}"
            data.mkdir(exist_ok=True)
            made.append(Node(binary, ports, settings(at, every, data, key), lock))
        server = Server(tuple(made), key)
        stack.callback(server.stop)
        server.start(extra)
        yield server


def remembered_key(folder: Path) -> str:
    """The API key, made on the first start and kept in the folder, for its owner only."""
    path = folder / "api-key"
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as kept:
            kept.write(secrets.token_urlsafe(32))
    return path.read_text()


def remembered_ports(folder: Path, nodes: int, http: int, grpc: int) -> tuple[Ports, ...]:
    """The ports: raft keeps the nodes' addresses with the data, so a folder keeps its ports."""
    path = folder / "ports.json"
    if path.exists():
        every = tuple(Ports(*ports) for ports in json.loads(path.read_text()))
    else:
        every = free_ports(nodes)
    if len(every) != nodes:
        raise ServerError(f"{folder} holds the data of {len(every)} node(s): name another folder")
    first = every[0]._replace(http=http or every[0].http, grpc=grpc or every[0].grpc)
    path.write_text(json.dumps((first, *every[1:])))
    return (first, *every[1:])

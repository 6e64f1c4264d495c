"""A small server on loopback that speaks OpenAI's chat completions, and misbehaves on demand."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", dict[str, Any]], None]


@dataclass
class Peer:
    """What the server was asked, and how it behaves: `script` first, then `usual`."""

    usual: Behaviour
    url: str = ""
    script: list[Behaviour] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    tokens: int = 0
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    peer: Peer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        peer = self.peer
        with peer.lock:
            peer.bodies.append(body)
            peer.times.append(time.monotonic())
            peer.at_once += 1
            peer.most_at_once = max(peer.most_at_once, peer.at_once)
            behave = peer.script.pop(0) if peer.script else peer.usual
        behave(self, body)

    def send(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        with self.peer.lock:
            self.peer.at_once -= 1
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def completion(text: str, read: int = 10, written: int = 2, **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    choice = {"index": 0, "finish_reason": "stop",
              "message": {"role": "assistant", "content": text}}  # fmt: skip
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m",
            "choices": [choice | more], "usage": usage}  # fmt: skip


def answer(
    text: Callable[[str], str] = str.upper, read: int = 10, written: int = 2, delay: float = 0.0,
    **more: Any,
) -> Behaviour:  # fmt: skip
    """Answers by a rule on the last message."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(delay)
        with handler.peer.lock:
            handler.peer.tokens += read + written
        made = completion(text(body["messages"][-1]["content"]), read, written, **more)
        handler.send(200, json.dumps(made).encode())

    return behave


def document(made: object) -> Behaviour:
    """Answers with one JSON document, whatever is asked."""
    return lambda handler, _: handler.send(200, json.dumps(made).encode())


def refuse(status: int, message: str = "no", code: str | None = None, **headers: str) -> Behaviour:
    """Answers with an error as OpenAI's API writes it."""
    error = {"error": {"message": message, "type": "x", "param": None, "code": code}}
    return lambda handler, _: handler.send(status, json.dumps(error).encode(), **headers)


def cut(handler: Handler, body: dict[str, Any]) -> None:
    """Half a document, and says that this was all."""
    handler.send(200, json.dumps(completion("whole")).encode()[:60])


def hang_up(handler: Handler, body: dict[str, Any]) -> None:
    """Half a document, then closes the connection."""
    whole = json.dumps(completion("whole")).encode()
    handler.send(200, whole[:60], len(whole))
    handler.close_connection = True


def stall(handler: Handler, body: dict[str, Any]) -> None:
    """Half a document, then nothing more, with the line open."""
    whole = json.dumps(completion("whole")).encode()
    handler.send(200, whole[:60], len(whole))
    handler.peer.over.wait(30)
    handler.close_connection = True


@contextmanager
def serving(usual: Behaviour) -> Iterator[Peer]:
    """A peer that answers until the block ends."""
    peer = Peer(usual)
    handler = type("PeerHandler", (Handler,), {"peer": peer})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    peer.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield peer
    finally:
        peer.over.set()
        server.shutdown()
        server.server_close()
        thread.join()

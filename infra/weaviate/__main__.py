"""Weaviate without containers: build the pinned server with Go, run it on loopback.

`python -m infra.weaviate --help`; needs Python and Go alone, on Linux or macOS.
"""

import argparse
import os
import signal
import time
from pathlib import Path

from .install import VERSION, ServerError, install
from .server import Server, running


def announce(server: Server, folder: Path) -> None:
    """Say where it answers, how to use it and how to stop it; the key stays in its file."""
    named = server.environment
    print(
        f"Weaviate {VERSION} is ready at {server.url} (gRPC on port {server.grpc_port}); "
        f"data and logs in {folder}.\nTo use it, in another terminal:\n"
        f"  export WEAVIATE_URL={named['WEAVIATE_URL']}"
        f" WEAVIATE_GRPC_PORT={named['WEAVIATE_GRPC_PORT']}\n"
        f'  export WEAVIATE_API_KEY="$(cat {folder.resolve()}/api-key)"\n'
        f"To stop it: Ctrl-C here, or kill {os.getpid()}",
        flush=True,
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.weaviate", description=f"Run Weaviate {VERSION} on loopback."
    )
    home = Path(os.environ.get("ADAPT_HOME") or ".adapt")
    parser.add_argument("--folder", type=Path, default=home / "weaviate", help="data and logs")
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3), help="size of the cluster")
    parser.add_argument("--port", type=int, default=8080, help="HTTP; 0: a free one")
    parser.add_argument("--grpc-port", type=int, default=50051, help="gRPC; 0: a free one")
    parser.add_argument("--install-only", action="store_true", help="build the server and end")
    return parser.parse_args()


def stop_asked(number: int, frame: object) -> None:
    """End by way of the `with` blocks, once: a second signal must not cut the stop short."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(0)


def main() -> None:
    """Run until Ctrl-C or SIGTERM; exit code 1 with one message if there is no server."""
    chosen = arguments()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, stop_asked)
    try:
        if chosen.install_only:
            print(install())
            return
        ports = {"http": chosen.port, "grpc": chosen.grpc_port}
        with running(chosen.folder, chosen.nodes, **ports) as server:
            announce(server, chosen.folder)
            while all(node.alive for node in server.nodes):
                time.sleep(0.5)
            raise ServerError(f"Weaviate ended by itself; see the logs in {chosen.folder}")
    except ServerError as fault:
        raise SystemExit(str(fault)) from None


if __name__ == "__main__":
    main()

"""The pinned Weaviate server as a Go program: built once, kept in the user's cache."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VERSION = "1.36.0"
PACKAGE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"
OLDEST_GO = (1, 25)
GO_FOLDER = "/usr/local/go/bin"  # where Go's own installer puts it, often not on PATH
OTHER_WAYS = (
    "Or start it in a container (infra/weaviate/compose.yaml), or set WEAVIATE_URL to a server "
    "that is already there."
)


class ServerError(RuntimeError):
    """Why there is no server, and what to do about it."""


def cache_folder() -> Path:
    """Where the binary of the pinned version is kept."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "tune-or-retrieve" / f"weaviate-v{VERSION}"


def installed() -> Path | None:
    """The binary, if it was built before."""
    binary = cache_folder() / "weaviate-server"
    return binary if binary.exists() else None


def find_go() -> str:
    """The Go command; a `ServerError` where there is none, or one too old."""
    needed = ".".join(map(str, OLDEST_GO))
    remedy = f"Install Go {needed} or newer from https://go.dev/dl/. {OTHER_WAYS}"
    go = shutil.which("go") or shutil.which("go", path=GO_FOLDER)
    if go is None:
        raise ServerError(f"Weaviate is built with Go, and there is no `go` on PATH. {remedy}")
    told = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GO:
        raise ServerError(f"{go} is too old to build Weaviate: {told.strip()!r}. {remedy}")
    return go


@contextmanager
def locked(path: Path, wait: bool) -> Iterator[int]:
    """Hold a lock file, inherited by children that keep its descriptor; OSError if taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield held.fileno()


def install() -> Path:
    """The server's binary, built once a version; a second process waits for the first one's."""
    if binary := installed():
        return binary
    go, folder = find_go(), cache_folder()
    print(f"Building Weaviate {VERSION}: about three minutes, once.", file=sys.stderr, flush=True)
    with locked(folder / "lock", wait=True):
        if binary := installed():
            return binary
        with tempfile.TemporaryDirectory(dir=folder) as build:
            done = subprocess.run(
                [go, "install", PACKAGE], env=os.environ | {"GOBIN": build}, cwd=build,
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise ServerError(f"`go install {PACKAGE}` failed:\n{done.stderr[-2000:]}")
            (Path(build) / "weaviate-server").replace(folder / "weaviate-server")
    return folder / "weaviate-server"

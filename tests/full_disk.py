"""A build into a folder whose disk fills up, run by `test_full_disk` on a small disk of its own."""

import json
import shutil
import sys
from pathlib import Path

from tasks.artifacts import Search
from tasks.core.errors import InputError
from tasks.retrieval.index import build, latest
from tasks.retrieval.search import search_latest
from tasks.run import IndexSpec
from tests.swapping import edition_corpus

HOW = Search(k=1, mode="vector")


def main(disk: Path, left: int) -> None:
    """Build small, leave this many bytes on the disk, build large; print what came of it."""
    index = build(edition_corpus(0, 8), IndexSpec(), "town")
    filler = disk / "filler"
    filler.write_bytes(b"." * (shutil.disk_usage(disk).free - left))
    try:
        build(edition_corpus(1, 300), IndexSpec(), "town")
        said = ""
    except InputError as fault:
        said = str(fault)
    same = latest(index).sha == index.sha
    found, _ = search_latest(index, ["When does the ferry open?"], HOW)
    filler.unlink()
    now = build(edition_corpus(1, 300), IndexSpec(), "town")
    print(json.dumps({"said": said, "same": same, "found": len(found), "now": now.chunks}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

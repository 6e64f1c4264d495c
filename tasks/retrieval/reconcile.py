"""What a collection holds against what it should hold: what to write, to delete, what moved."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tasks.artifacts import Document
from tasks.retrieval.backend import Row, entry, row_id
from tasks.retrieval.chunking import Chunk
from tasks.retrieval.index_record import BuildReport, Manifest


class _Recorded(NamedTuple):
    """A document as the last finished state had it."""

    sha: str
    rows: list[str]
    chunks: list[str]
    whole: bool  # all its rows are really there


class Reconciliation:
    """Told of every document of the corpus once, it knows what a collection lacks and has too much.

    `present` is what is really there. `recorded` is the manifest of its last finished state, None
    where there is none: then each document is chunked again, and only what is missing is written.
    """

    def __init__(self, present: Manifest, recorded: Manifest | None) -> None:
        self.present = present
        self.recorded = recorded or {}
        self.documents = _documents(self.recorded, present)
        self.wanted: Manifest = {}
        self.shas = {one.sha for one in present.values()}  # chunks whose vectors are stored
        self._seen: set[str] = set()
        self._arrived: Counter[tuple[str, ...]] = Counter()
        self._counts: Counter[str] = Counter()
        self._with_manifest = recorded is not None

    def keeps(self, document: Document) -> bool:
        """Whether a document stands unchanged, with all its rows: there is nothing to do for it."""
        known = self.documents.get(document.id)
        if known is None or not known.whole or known.sha != document.content_sha:
            return False
        if document.id not in self._seen:
            self._seen.add(document.id)
            self._counts["kept"] += 1
            self.wanted.update((row, self.recorded[row]) for row in known.rows)
        return True

    def rows(self, document: Document, chunks: Sequence[Chunk]) -> list[Row]:
        """The rows of a document that are to be written: those that are not there yet."""
        missing: list[Row] = []
        for chunk in chunks:
            one = entry(chunk)
            row = Row(row_id(one), chunk)
            if row.id not in self.wanted and self.present.get(row.id) != one:
                missing.append(row)
            self.wanted[row.id] = one
        if chunks and document.id not in self._seen:
            self._count(document, tuple(chunk.sha for chunk in chunks))
        return missing

    def superfluous(self) -> list[str]:
        """The rows that are there and not wanted, once every document was told of."""
        return [row for row in self.present if row not in self.wanted]

    def report(self) -> BuildReport:
        """Documents and chunks in numbers, once every document was told of."""
        gone = Counter(
            tuple(known.chunks)
            for document, known in self.documents.items()
            if document not in self._seen
        )
        moved = (gone & self._arrived).total()
        deleted = len(self.superfluous())
        kept = len(self.present) - deleted
        extra = self.present.keys() - self.recorded.keys() if self._with_manifest else ()
        changed_in_place = sum(self.present[row] != self.wanted[row] for row in self._common())
        return BuildReport(
            added=self._arrived.total() - moved,
            changed=self._counts["changed"],
            removed=gone.total() - moved,
            moved=moved,
            kept=self._counts["kept"],
            chunks_written=len(self.wanted) - kept + changed_in_place,
            chunks_deleted=deleted,
            chunks_kept=kept - changed_in_place,
            drift_missing=sum(self.present.get(row) != one for row, one in self.recorded.items()),
            drift_extra=len(extra),
        )

    def _common(self) -> set[str]:
        return self.present.keys() & self.wanted.keys()

    def _count(self, document: Document, shas: tuple[str, ...]) -> None:
        self._seen.add(document.id)
        known = self.documents.get(document.id)
        if known is None:
            self._arrived[shas] += 1
        else:
            # One whose rows were lost counts as kept: its source did not change.
            self._counts["kept" if known.sha == document.content_sha else "changed"] += 1


def _documents(recorded: Manifest, present: Manifest) -> dict[str, _Recorded]:
    found: dict[str, _Recorded] = {}
    for row, one in recorded.items():
        known = found.get(one.document) or _Recorded(one.document_sha, [], [], True)
        known.rows.append(row)
        known.chunks.append(one.sha)
        found[one.document] = known._replace(whole=known.whole and present.get(row) == one)
    return found

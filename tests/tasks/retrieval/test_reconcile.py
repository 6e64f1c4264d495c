"""What is to be written, deleted and counted, from manifests alone."""

from tasks.artifacts import Document
from tasks.core import digest
from tasks.retrieval.backend import Row, entry, row_id
from tasks.retrieval.chunking import Chunk
from tasks.retrieval.index_record import BuildReport, Manifest
from tasks.retrieval.reconcile import Reconciliation


def document(name: str, *lines: str, tags: tuple[str, ...] = ()) -> Document:
    text = "\n".join(lines)
    return Document(id=name, title="", text=text, source=name, sha=digest.of_text(text), tags=tags)


def chunks(one: Document) -> list[Chunk]:
    return [
        Chunk(
            document=one.id, title="", source=one.source, position=at, text=line,
            sha=digest.of_text(line), document_sha=one.content_sha, tags=one.tags,
        )
        for at, line in enumerate(one.text.splitlines())
    ]  # fmt: skip


def manifest(*documents: Document) -> Manifest:
    entries = [entry(chunk) for one in documents for chunk in chunks(one)]
    return {row_id(one): one for one in entries}


def told(plan: Reconciliation, *documents: Document) -> list[Row]:
    """Tell a plan of a whole corpus; what it wants written."""
    rows: list[Row] = []
    for one in documents:
        if not plan.keeps(one):
            rows += plan.rows(one, chunks(one))
    return rows


def texts(rows: list[Row]) -> list[str]:
    return [row.chunk.text for row in rows]


OAK, ELM, ASH = document("oak", "a", "b"), document("elm", "c"), document("ash", "d", "e")


def report(plan: Reconciliation) -> dict[str, int]:
    return plan.report().model_dump(exclude_defaults=True)


def test_an_empty_collection_wants_everything() -> None:
    plan = Reconciliation({}, None)
    assert texts(told(plan, OAK, ELM)) == ["a", "b", "c"]
    assert plan.superfluous() == []
    assert plan.wanted == manifest(OAK, ELM)
    assert report(plan) == {"added": 2, "chunks_written": 3}


def test_a_full_collection_wants_nothing() -> None:
    held = manifest(OAK, ELM)
    plan = Reconciliation(held, held)
    assert told(plan, ELM, OAK) == []
    assert plan.superfluous() == []
    assert plan.wanted == held
    assert report(plan) == {"kept": 2, "chunks_kept": 3}


def test_changed_added_and_removed_documents_are_told_apart() -> None:
    held = manifest(OAK, ELM)
    plan = Reconciliation(held, held)
    changed = document("oak", "a", "x")
    assert texts(told(plan, changed, ASH)) == ["a", "x", "d", "e"]  # `a` under a new document_sha
    assert set(plan.superfluous()) == set(held)
    assert report(plan) == {
        "changed": 1, "added": 1, "removed": 1, "chunks_written": 4, "chunks_deleted": 3
    }  # fmt: skip


def test_equal_text_under_another_name_is_a_move_as_often_as_one_went() -> None:
    held = manifest(OAK)
    plan = Reconciliation(held, held)
    told(plan, document("birch", "a", "b"), document("beech", "a", "b"))
    assert report(plan) == {"moved": 1, "added": 1, "chunks_written": 4, "chunks_deleted": 2}


def test_rows_without_a_manifest_are_kept_if_wanted_and_deleted_if_not() -> None:
    present = manifest(OAK, ASH)
    (first, *_) = present
    partial = {row: one for row, one in present.items() if row != first}
    plan = Reconciliation(partial, None)
    assert texts(told(plan, OAK, ELM)) == ["a", "c"]
    assert set(plan.superfluous()) == set(manifest(ASH))
    assert report(plan) == {
        "added": 2, "chunks_written": 2, "chunks_kept": 1, "chunks_deleted": 2
    }  # fmt: skip


def test_a_row_that_is_lost_is_written_again_and_its_document_counts_as_kept() -> None:
    recorded = manifest(OAK, ELM)
    (_, *rest) = recorded
    plan = Reconciliation({row: recorded[row] for row in rest}, recorded)
    assert texts(told(plan, OAK, ELM)) == ["a"]
    assert report(plan) == {
        "kept": 2, "chunks_written": 1, "chunks_kept": 2, "drift_missing": 1
    }  # fmt: skip


def test_a_row_that_says_something_else_is_replaced() -> None:
    recorded = manifest(OAK)
    first = next(iter(recorded))
    plan = Reconciliation(recorded | {first: recorded[first]._replace(position=7)}, recorded)
    assert texts(told(plan, OAK)) == ["a"]
    assert plan.superfluous() == []
    assert report(plan) == {
        "kept": 1, "chunks_written": 1, "chunks_kept": 1, "drift_missing": 1
    }  # fmt: skip


def test_rows_of_nobody_are_deleted_and_reported() -> None:
    plan = Reconciliation(manifest(OAK, ELM), manifest(OAK))
    assert told(plan, OAK) == []
    assert plan.superfluous() == list(manifest(ELM))
    assert report(plan) == {"kept": 1, "chunks_kept": 2, "chunks_deleted": 1, "drift_extra": 1}


def test_a_document_told_twice_counts_once() -> None:
    plan = Reconciliation({}, None)
    assert texts(told(plan, ELM, ELM)) == ["c"]
    assert report(plan) == {"added": 1, "chunks_written": 1}
    held = manifest(ELM)
    again = Reconciliation(held, held)
    assert told(again, ELM, ELM) == []
    assert report(again) == {"kept": 1, "chunks_kept": 1}


def test_a_document_without_chunks_counts_for_nothing() -> None:
    plan = Reconciliation({}, None)
    assert told(plan, document("blank")) == []
    assert plan.report() == BuildReport()

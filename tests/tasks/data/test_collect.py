"""All that a run collects: documents with the questions about them, and general knowledge."""

from pathlib import Path

import pytest

from tasks.core.errors import InputError
from tasks.data.collect import (
    check_enough,
    collect_documents,
    collect_general,
    collect_questions,
    read_documents,
    read_general_items,
    read_general_text,
    read_questions,
)
from tests.files import write_folder, write_rows
from tests.tasks.data.builders import data

ROOT = Path(__file__).parents[3]
XQUAD = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.usefixtures("home")


def test_general_knowledge_comes_back_in_its_order(tmp_path: Path) -> None:
    items = [{"id": n, "question": "?", "choices": ["x", "y"], "answer": 1} for n in ("b", "a")]
    texts = [{"id": n, "question": "?", "text": "t", "split": n} for n in ("replay", "heldout")]
    general = collect_general(
        write_rows(tmp_path / "items.jsonl", items), write_rows(tmp_path / "text.jsonl", texts)
    )
    assert [item.id for item in read_general_items(general)] == ["b", "a"]
    assert [text.id for text in read_general_text(general, "heldout")] == ["heldout"]
    assert len(read_general_text(general)) == 2


def test_the_example_is_collected_with_nothing_left_out() -> None:
    example = ROOT / "examples" / "harbour"
    corpus = collect_documents(example / "documents")
    examples = collect_questions(
        example / "questions.jsonl", read_documents(corpus), data(share_documents=True), 7
    )
    check_enough(examples, 0.02, 0.95)
    assert corpus.count >= 60
    assert corpus.dropped == examples.dropped == ()
    assert min(examples.count("dev"), examples.count("test")) >= 100


@pytest.mark.skipif(
    not (XQUAD / "xquad_en.documents.jsonl").exists(), reason="needs shared/data/xquad_en.*"
)
def test_xquad_is_split_by_document() -> None:
    corpus = collect_documents(XQUAD / "xquad_en.documents.jsonl")
    examples = collect_questions(
        XQUAD / "xquad_en.questions.jsonl", read_documents(corpus), data(), 7
    )
    check_enough(examples, 0.02, 0.95)
    assert (corpus.count, len(read_questions(examples))) == (120, 612)
    assert examples.count("train") == pytest.approx(0.4 * 612, abs=10)


def test_a_question_about_a_repeated_document_is_about_the_one_that_was_kept(
    tmp_path: Path,
) -> None:
    files = {"ferry.md": "same", "ferry copy.md": "same\n", "pier.md": "other", "empty.md": ""}
    docs = write_folder(tmp_path / "docs", files)
    rows = [
        {"id": f"{split} {n}", "question": f"Which {split} is {n}?", "answers": ["x"],
         "document": name, "split": split}
        for split in ("train", "dev", "test")
        for n, name in enumerate(("ferry", "ferry copy", "pier"))
    ]  # fmt: skip
    source = write_rows(tmp_path / "q.jsonl", rows)
    corpus = collect_documents(docs)
    assert corpus.same_text == {"ferry copy": "ferry"}
    kept = read_documents(corpus)
    shared = data(share_documents=True, near_duplicate=1)
    examples = collect_questions(source, kept, shared, 7, corpus.same_text)
    asked = [question.document for question in read_questions(examples, "dev")]
    assert asked == ["ferry", "ferry", "pier"]


def test_documents_with_one_text_are_one_where_splits_may_not_share(tmp_path: Path) -> None:
    docs = write_folder(
        tmp_path / "docs", {"a.md": "same", "b.md": "same", "c.md": "c", "d.md": "d"}
    )
    rows = [
        {"id": f"q{n}", "question": f"Which is {n}?", "answers": ["x"], "document": name,
         "split": split}
        for n, (name, split) in enumerate(
            (("a", "train"), ("b", "dev"), ("c", "dev"), ("d", "test"))
        )
    ]  # fmt: skip
    corpus = collect_documents(docs)
    kept, same = read_documents(corpus), corpus.same_text
    with pytest.raises(InputError, match=r"a \(dev, train\)"):
        collect_questions(
            write_rows(tmp_path / "q.jsonl", rows), kept, data(near_duplicate=1), 7, same
        )

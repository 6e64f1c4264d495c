from tasks.artifacts import Passage
from tasks.core import digest
from tasks.retrieval.neighbours import joined, places


def chunk(document: str, position: int, score: float = 0.0, title: str = "") -> Passage:
    text = f"{title}\n{document}{position}" if title else f"{document}{position}"
    return Passage(
        document=document, title=title, position=position, text=text, score=score,
        sha=digest.of_text(text), source=f"{document}.md",
    )  # fmt: skip


def around(document: str, count: int, title: str = "") -> dict[tuple[str, int], Passage]:
    return {(document, at): chunk(document, at, title=title) for at in range(count)}


def spans(passages: tuple[Passage, ...]) -> list[tuple[str, int, int | None]]:
    return [(one.document, one.position, one.last) for one in passages]


def test_a_hit_is_looked_up_with_its_surroundings_and_not_before_the_start() -> None:
    assert places([chunk("a", 1), chunk("b", 7)], 2) == {
        *(("a", at) for at in range(4)), *(("b", at) for at in range(5, 10)),
    }  # fmt: skip


def test_a_hit_and_its_neighbours_are_one_passage_with_the_title_once() -> None:
    hit = chunk("a", 3, 0.7, title="Pier")
    (passage,) = joined([hit], 1, around("a", 9, title="Pier"))
    assert passage.text == "Pier\na2\na3\na4"
    assert (passage.position, passage.last, passage.score) == (2, 4, 0.7)
    assert passage.sha == digest.of_text(passage.text)
    assert (passage.title, passage.source) == ("Pier", "a.md")


def test_a_first_line_that_is_no_title_stays_in_every_chunk() -> None:
    same = {("a", at): chunk("a", at).model_copy(update={"text": "same\nrow"}) for at in range(2)}
    (passage,) = joined([same["a", 0]], 1, same)
    assert passage.text == "same\nrow\nsame\nrow"


def test_the_ends_of_a_document_have_fewer_neighbours() -> None:
    assert spans(joined([chunk("a", 0)], 2, around("a", 4))) == [("a", 0, 2)]
    assert spans(joined([chunk("a", 3)], 2, around("a", 4))) == [("a", 1, 3)]


def test_a_document_of_one_chunk_stays_as_it_was() -> None:
    hit = chunk("a", 0, 0.4)
    assert joined([hit], 3, around("a", 1)) == (hit,)


def test_hits_that_touch_or_overlap_become_one_in_the_place_of_the_better() -> None:
    known = around("a", 20) | around("b", 20)
    hits = [chunk("b", 9, 0.9), chunk("a", 8, 0.8), chunk("b", 2, 0.7), chunk("a", 5, 0.6)]
    assert spans(joined(hits, 1, known)) == [("b", 8, 10), ("a", 4, 9), ("b", 1, 3)]
    assert [one.score for one in joined(hits, 1, known)] == [0.9, 0.8, 0.7]
    apart = [chunk("a", 2), chunk("a", 6)]
    assert spans(joined(apart, 1, known)) == [("a", 1, 3), ("a", 5, 7)]


def test_three_hits_in_a_row_are_one_passage_whatever_their_order() -> None:
    hits = [chunk("a", at) for at in (5, 3, 4)]
    assert spans(joined(hits, 1, around("a", 20))) == [("a", 2, 6)]


def test_no_hits_are_no_passages() -> None:
    assert joined([], 2, {}) == ()
    assert places([], 2) == set()

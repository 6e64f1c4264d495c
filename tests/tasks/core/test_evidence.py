import pytest

from tasks.core.cases import Case, known_form, known_task
from tasks.core.evidence import nearest, published, read_case


def test_every_published_row_is_there_with_its_citation() -> None:
    rows = published()
    assert len(rows) == 120
    assert len({one.paper for one in rows}) == 15
    assert all(one.citation for one in rows)


def test_best_scored_path_is_the_stated_winner_wherever_scores_are_published() -> None:
    for one in published():
        if one.scores:
            top = max(score for _, score in one.scores)
            assert {path for path, score in one.scores if score == top} == set(one.best), one


def test_every_published_task_is_known() -> None:
    assert all(one.case.task is not None for one in published())


def test_nearest_are_one_from_each_paper_with_citation_and_figures() -> None:
    found = nearest(
        Case("closed-book factual QA", 13e9, changes=False, exposure="private", form="task")
    )
    assert len({row.paper for row in found}) == 3
    assert str(found[0]).startswith(
        "Self-RAG Table 2 (2023, arXiv:2310.11511): Llama2-13B on PopQA"
    )
    assert "rag 45.7" in str(found[0])


def test_facts_that_are_not_known_make_no_case_farther() -> None:
    assert [row.paper for row in nearest(Case())] == list(
        dict.fromkeys(row.paper for row in published())
    )[:3]


def test_empty_cells_and_words_that_are_not_known_stay_unknown() -> None:
    case = read_case({"task_type": "juggling", "training_data": "dreams", "n_train": " "})
    assert case == Case()


@pytest.mark.parametrize(
    ("line", "weights"),
    [
        ({"architecture": "api"}, "hosted"),
        ({"architecture": "api", "training_data": "task"}, "tunable"),
        ({"architecture": "decoder"}, "open"),
        ({"params_billions": "7"}, "open"),
        ({}, None),
    ],
)
def test_weights_follow_from_architecture_and_from_training_that_took_place(line, weights) -> None:
    assert read_case(line).weights == weights


@pytest.mark.parametrize(
    ("column", "text"),
    [("params_billions", "-7"), ("params_billions", "0"), ("n_train", "-1"), ("n_train", "many"),
     ("params_billions", "nan"), ("n_train", "inf")],
)  # fmt: skip
def test_numbers_out_of_range_are_refused_with_their_column(column, text) -> None:
    with pytest.raises(ValueError, match=column) as caught:
        read_case({column: text})
    assert caught.value.args == (column, text)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("question-answering", "document QA"),
        ("Closed-Book QA", "closed-book factual QA"),
        ("multi-hop QA over documents", "document QA"),
        ("intent detection", "classification"),
        ("sumarization", "summarization"),
        ("text-to-SQL", "code"),
        ("knowledge-grounded dialogue", "generation"),
        ("poetry", None),
        ("", None),
    ],
)
def test_tasks_are_read_by_name_synonym_words_within_or_spelling(text, task) -> None:
    assert known_task(text) == task


@pytest.mark.parametrize(
    ("text", "form"),
    [("Labels", "task"), ("QA pairs", "question-answer"), ("raw_text", "raw-text"), ("", None)],
)
def test_forms_are_read_by_the_words_that_people_use(text, form) -> None:
    assert known_form(text) == form

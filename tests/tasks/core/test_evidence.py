import pytest

from tasks.core.evidence import Row, evidence_for, published, win_shares


def row(paper: str, *best: str) -> Row:
    return Row(paper, "2024", "-", "m", 7e9, "t", "d", "acc", False, "general", (), best)


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


def test_papers_count_alike_however_many_rows_they_have() -> None:
    rows = [row("a", "rag")] * 9 + [row("b", "prompt")]
    assert win_shares(rows, ("prompt", "rag")) == {"prompt": 0.5, "rag": 0.5}


def test_ties_are_split() -> None:
    shares = win_shares([row("a", "rag", "prompt"), row("a", "rag")], ("prompt", "rag"))
    assert shares == {"prompt": 0.25, "rag": 0.75}


def test_text_says_how_much_stands_behind_it() -> None:
    found = evidence_for("question-answering", open_weights=True)
    assert (found.papers, found.rows) == (11, 61)
    assert "11 papers with 61 results" in found.text
    assert found.path == found.ranking[0]


def test_changing_knowledge_narrows_to_results_where_it_changes() -> None:
    changing = evidence_for("question-answering", open_weights=True, changes=True)
    stable = evidence_for("question-answering", open_weights=True, changes=False)
    assert changing.path == "rag"
    assert changing.rows + stable.rows == 61


def test_without_such_results_the_whole_family_speaks() -> None:
    found = evidence_for("classification", open_weights=True, changes=True)
    assert found.rows == 30
    assert "changes" not in found.text


def test_without_weights_only_prompt_and_rag_compete() -> None:
    found = evidence_for("question-answering", open_weights=False)
    assert set(found.ranking) == {"prompt", "rag"}
    assert "finetune" not in found.text + "".join(found.cases)


def test_cases_are_the_nearest_one_from_each_paper_with_their_figures() -> None:
    found = evidence_for(
        "question-answering", open_weights=True, changes=False, exposure="private", params=13e9
    )
    assert len(found.cases) == 3
    assert "arXiv:2310.11511" in found.cases[0]
    assert "Llama2-13B on PopQA" in found.cases[0]
    assert "rag 45.7" in found.cases[0]
    assert len({case.split(" (")[0] for case in found.cases}) == 3


@pytest.mark.parametrize("open_weights", [True, False])
def test_unknown_task_has_no_evidence(open_weights) -> None:
    found = evidence_for("poetry", open_weights=open_weights)
    assert (found.path, found.ranking, found.rows) == (None, (), 0)
    assert "poetry" in found.text

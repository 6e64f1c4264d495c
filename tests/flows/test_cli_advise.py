"""`adapt advise`, in this process."""

import json

from flows import console_outcome


def test_advise_shows_rule_and_evidence_apart_with_cases_vetoes_and_flips(adapt) -> None:
    facts = "--params 7e9 --task classification --examples 5000 --form task --memory-gib 16"
    code, out, _ = adapt("advise", *facts.split())
    assert code == 0
    assert out.startswith("Advice: ")
    for part in (
        "points of 100 (80% interval)", "Size rule (mid): does not commit.",
        "Evidence: finetune.", "arXiv:",
        "Vetoed: finetune: about 22.1 GiB", "Flip when: finetune if memory_gib is at least",
        "Not known, and counted as such: changes, exposure, covers",
    ):  # fmt: skip
        assert part in out
    document = json.loads(adapt("advise", *facts.split(), "--json")[1])
    assert [one["path"] for one in document["ranking"]][2:] == ["finetune", "finetune+rag"]
    assert document["rule"]["path"] is None
    assert document["evidence"]["path"] == "finetune"


def test_advise_without_any_fact_still_ranks_all_four(adapt) -> None:
    document = json.loads(adapt("advise", "--json")[1])
    assert {one["path"] for one in document["ranking"]} == set(console_outcome.PATHS)


def test_advise_refuses_limits_that_no_path_meets(adapt) -> None:
    code, out, err = adapt("advise", "--params", "7e9", "--memory-gib", "2")
    assert (code, out) == (2, "")
    assert "14.4 GiB needed to answer, 2 GiB there" in err


def test_advise_answers_a_table_and_names_faulty_cells(adapt, tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "params_billions,architecture,task_type,n_train,training_data,knowledge_changes,"
        "knowledge_exposure,corpus_covers,retriever\n"
        "7,decoder,document QA,,raw-text,no,domain,yes,real\n"
        "-7,decoder,document QA,,raw-text,no,domain,yes,real\n"
    )
    code, out, err = adapt("advise", "--table", str(path))
    assert (code, out) == (2, "")
    assert "line 3, column params_billions" in err
    code, out, err = adapt("advise", "--table", str(path), "--keep-going")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].endswith(",retriever,advice")
    assert lines[1].endswith(",real,rag>finetune+rag>finetune>prompt")
    assert lines[2].endswith(",real,")
    assert "line 3, column params_billions" in err
    path.write_text(path.read_text().replace("-7,decoder", "7,decodr"))
    code, out, err = adapt("advise", "--table", str(path))
    assert (code, err.count("warning")) == (0, 1)
    assert "line 3, column architecture: 'decodr' is not known" in err
    assert "decodr,document QA,,raw-text,no,domain,yes,real,rag>" in out
    rows = json.loads(adapt("advise", "--table", str(path), "--keep-going", "--json")[1])["rows"]
    assert rows[0]["advice"].startswith("rag>")

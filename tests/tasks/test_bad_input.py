"""What bad input gets: where it is, what was seen, what is allowed, what to do."""

import json
from pathlib import Path

import pytest

from tasks.artifacts import Corpus, ModelRef, Question
from tasks.core.errors import InputError
from tasks.data.collect import (
    collect_general,
)
from tasks.data.questions import stored
from tasks.planning.plan import make_plan
from tasks.results.finished import read_finished
from tasks.run.reading import Overrides, parse_run, read_run
from tasks.store import put_rows
from tests.tasks.faults import Case, assert_explained, ids, write
from tests.tiny import build_tiny_encoder

pytestmark = pytest.mark.usefixtures("home")


ITEM = {"id": "a", "question": "?", "choices": ["x", "y"], "answer": 0}
TEXTS = [{"id": one, "question": "?", "text": "t", "split": one} for one in ("replay", "heldout")]

GENERAL = [
    Case("items.jsonl", [{**ITEM, "answer": 2}], "line 1: answer", "2", "position", "Mend"),
    Case("items.jsonl", [{**ITEM, "answer": -1}], "line 1: answer", "-1", "position", "Mend"),
    Case("items.jsonl", [{**ITEM, "choices": ["x"]}], "line 1: answer", "0", "two or more", "Mend"),
    Case("items.jsonl", [ITEM, {**ITEM, "answer": 1}], "line 2: id", "a", "line 1", "answer"),
    Case("text.jsonl", TEXTS[:1], "split", "no row is heldout", "both", "'heldout'"),
    Case("text.jsonl", TEXTS[1:], "split", "no row is replay", "both", "'replay'"),
    Case("text.csv", "id\n", "text.csv", ".csv", ".jsonl", "kind"),
]


@pytest.mark.parametrize("case", GENERAL, ids=ids)
def test_general_knowledge_at_fault_is_explained(case: Case, tmp_path: Path) -> None:
    good = {
        "items": write(tmp_path / "items.jsonl", [ITEM]),
        "text": write(tmp_path / "text.jsonl", TEXTS),
    }
    bad = write(tmp_path / case.name, case.content)
    assert_explained(case, lambda: collect_general(**{**good, bad.stem: bad}))


HEAD = 'name = "x"\n'
DATA = '[data]\ndocuments = "d"\nquestions = "q"\n'
MODELS = '[[models]]\nref = "openai:gpt-4o"\n'
CLASSIFY = 'name = "x"\ntask = "classification"\n'
TRANSLATE = 'name = "x"\ntask = "translation"\n'
LABELS = '[data]\nexamples = "e"\n'
JUDGE = '[judge]\nmodel = "openai:j"\n'

RUNS = [
    Case("", HEAD + "sead = 7\n" + DATA + MODELS, "run.toml: sead", "sead", "seed", "'seed'"),
    Case("", HEAD + DATA + MODELS + "[decision]\nmin_gian = 0.1\n", "decision.min_gian",
         "min_gian", "min_gain", "Did you mean 'min_gain'?"),
    Case("", HEAD + DATA + MODELS + "[zzz]\nx = 1\n", "zzz", "zzz", "data", "Remove it"),
    Case("", HEAD + DATA + MODELS + "reff = 1\n", "models.0.reff", "reff", "ref", "'ref'"),
    Case("", "schema_version = 9\n" + HEAD + DATA + MODELS, "run.toml: schema_version", "9", "1",
         "Change"),
    Case("", DATA + MODELS, "run.toml: name", "None", "a value", "Add the key 'name'"),
    Case("", HEAD + '[data]\ndocuments = "d"\n' + MODELS, "data.questions", "None", "a value",
         "Add the key 'questions'"),
    Case("", HEAD + DATA, "models", "None", "a value", "Add the key 'models'"),
    Case("", "seed = 'many'\n" + HEAD + DATA + MODELS, "seed", "many", "integer", "Change"),
    Case("", "seed = -1\n" + HEAD + DATA + MODELS, "seed", "-1", "greater than or equal", "Change"),
    Case("", 'data = "d"\n' + HEAD + MODELS, "run.toml: data", "d", "Data", "Change"),
    Case("", 'name = "a b"\n' + DATA + MODELS, "name", "a b", "pattern", "Change"),
    Case("", "models = []\n" + HEAD + DATA, "models", "[]", "at least 1", "Change"),
    Case("", 'task = "poetry"\n' + HEAD + DATA + MODELS, "task", "poetry", "question-answering",
         "Change"),
    Case("", 'task = "clasification"\n' + HEAD + DATA + MODELS, "task", "clasification",
         "question-answering, classification", "Did you mean 'classification'?"),
    Case("", CLASSIFY + DATA + MODELS, "data.examples", "None", "a value", "Add the key"),
    Case("", CLASSIFY + '[data]\nexamples = "e"\nquestions = "q"\n' + MODELS, "data.questions",
         "q", "examples for classification", "Remove it"),
    Case("", HEAD + DATA + 'examples = "e"\n' + MODELS, "data.examples", "e",
         "documents and questions for question-answering", "another task"),
    Case("", CLASSIFY + LABELS + MODELS + '[decision]\nprimary = "macro-f1"\n', "decision.primary",
         "macro-f1", "macro_f1, accuracy", "Did you mean 'macro_f1'?"),
    Case("", HEAD + DATA + MODELS + '[decision]\nprimary = "accuracy"\n', "decision.primary",
         "accuracy", "f1, exact_match, contains", "Change"),
    Case("", TRANSLATE + LABELS + MODELS + '[decision]\nprimary = "chrff"\n', "decision.primary",
         "chrff", "chrf", "Did you mean 'chrf'?"),
    Case("", TRANSLATE + LABELS + MODELS + '[decision]\nprimary = "valid_json"\n',
         "decision.primary", "valid_json", "chrf", "Change"),
    Case("", 'task = "summarization"\n' + HEAD + LABELS + MODELS, "task", "summarization",
         "summarisation", "Did you mean 'summarisation'?"),
    Case("", TRANSLATE + LABELS + MODELS + "[answering]\nmin_words = 9\nmax_words = 8\n",
         "answering", "9", "min_words is above max_words", "Change"),
    Case("", CLASSIFY + LABELS + MODELS + "[answering]\nmax_words = 8\n", "answering.max_words",
         "8", "references", "Remove"),
    Case("", HEAD + DATA + 'glossary = "g"\n' + MODELS, "data.glossary", "g", "references",
         "Remove"),
    Case("", CLASSIFY + LABELS + MODELS + '[answering]\ninstruction = "Be"\n',
         "answering.instruction", "Be", "wordings of its own", "Remove"),
    Case("", TRANSLATE + LABELS + MODELS + '[answering]\ninstruction = ""\n',
         "answering.instruction", "", "at least 1", "Change"),
    Case("", HEAD + DATA + MODELS + '[decision]\npaths = ["ragg"]\n', "decision.paths.0", "ragg",
         "'rag'", "Change"),
    Case("", CLASSIFY + LABELS + MODELS + '[changes]\ndocuments = "d"\nquestions = "q"\n',
         "changes", "d", "no [changes] for classification", "Leave it out"),
    Case("", HEAD + DATA + MODELS + '[changes]\ndocuments = "d"\n', "changes.questions", "None",
         "a value", "Add the key 'questions'"),
    Case("", HEAD + DATA + MODELS + "[decision]\npaths = []\n", "decision.paths", "", "at least 1",
         "Change"),
    Case("", HEAD + DATA + MODELS + "[decision]\nweights = { f2 = 1.0 }\n", "decision.weights",
         "f2", "f1, exact_match", "Did you mean 'f1'?"),
    Case("", HEAD + DATA + MODELS + "[decision]\nweights = { mrr = 1.0 }\n", "decision.weights",
         "mrr", "f1, exact_match", "Change"),
    Case("", HEAD + DATA + MODELS + '[decision]\nprimary = "f1"\nweights = { f1 = 1.0 }\n',
         "decision", "f1", "primary or weights, not both", "Change"),
    Case("", HEAD + DATA + MODELS + "[decision]\nweights = { f1 = nan }\n", "decision", "nan",
         "finite numbers", "Change"),
    Case("", HEAD + DATA + MODELS + "[limits]\nseconds_p95 = 0\n", "limits.seconds_p95", "0",
         "greater than 0", "Change"),
    Case("", HEAD + DATA + '[[models]]\nref = "openai:x"\n[limits]\nmoney_per_question = 0.1\n',
         "limits.money_per_question", "0.1", "a price of openai:x", '[prices."x"]'),
    Case("", HEAD + DATA + MODELS + '[decision]\norder = ["rag"]\n', "decision.order", "rag",
         "name each of", "Change"),
    Case("", HEAD + DATA + MODELS + "[budget]\nmoney = 1\n", "budget.money", "1.0",
         "a price of openai:gpt-4o", '[prices."gpt-4o"]'),
    Case("", HEAD + DATA + MODELS + "[limits]\nmoney = 1\n", "limits.money", "money",
         "memory_gib", "It belongs under [budget]"),
    Case("", HEAD + DATA + MODELS + "[budget]\nmoney = 0\n", "budget.money", "0", "greater than",
         "Change"),
    Case("", HEAD + DATA + MODELS + "[budget]\nseconds = -1\n", "budget.seconds", "-1",
         "greater than", "Change"),
    Case("", HEAD + DATA + MODELS + '[prices.m]\ninput_per_million = 1\n'
         "output_per_million = 1\ncurency = 'EUR'\n", "prices.m.curency", "curency",
         "input_per_million", "Did you mean 'currency'?"),
    Case("", HEAD + DATA + MODELS + '[prices."gpt-4o"]\ninput_per_million = 1\n',
         "prices.gpt-4o.output_per_million", "None", "a value", "Add the key"),
    Case("", HEAD + DATA + MODELS + "[prices]\n"
         "a = { input_per_million = 1, output_per_million = 1 }\n"
         "b = { input_per_million = 1, output_per_million = 1, currency = 'EUR' }\n",
         "run.toml: prices", "EUR", "one currency", "Change"),
    Case("", HEAD + DATA + MODELS + "[hosted]\nconcurrency = 0\n", "hosted.concurrency", "0",
         "greater than or equal", "Change"),
    Case("", HEAD + DATA + MODELS + '[training]\nmethod = "prefix"\n', "training.method",
         "prefix", "'lora', 'full' or 'qlora'", "Change"),
    Case("", HEAD + DATA + MODELS + '[training]\nmethod = "full"\nuse_dora = true\n', "training",
         "use_dora", "method full trains no adapter: leave out use_dora", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nlora_dropout = 1\n", "training.lora_dropout", "1",
         "less than 1", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nalpha = 8\n", "training.alpha", "alpha",
         "lora_alpha", "It belongs under [index]"),
    Case("", HEAD + DATA + MODELS + "[training]\ntry_rank = [8, 0]\n", "training.try_rank.1", "0",
         "greater than or equal to 1", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nlearning_curve = [0.5, 1.0]\n",
         "training.learning_curve.1", "1.0", "less than 1", "Change"),
    Case("", HEAD + DATA + MODELS + "[training]\nlearning_curve = [0.5]\n"
         "[budget]\nseconds = 9\n", "training.learning_curve", "0.5",
         "empty where there is a [budget]", "leave it"),
    Case("", CLASSIFY + LABELS + MODELS + "[budget]\nseconds = 9\n[decision]\n"
         "weights = { accuracy = 0.5, macro_f1 = 0.5 }\n", "decision.weights", "macro_f1",
         "no weight on macro_f1", "leave the budget out"),
    Case("", TRANSLATE + LABELS + MODELS + '[decision]\nprimary = "judged"\n',
         "decision.primary", "judged", "[judge] beside it", "or decide by chrf"),
    Case("", TRANSLATE + LABELS + MODELS + JUDGE + '[decision]\nprimary = "judged"\n'
         "[budget]\nseconds = 9\n", "decision.primary", "judged", "chrf with a [budget]",
         "leave the budget out"),
    Case("", TRANSLATE + LABELS + MODELS + JUDGE + "[decision]\nweights = { judged = 1.0 }\n",
         "decision.weights", "judged", "chrf", "Change"),
    Case("", CLASSIFY + LABELS + MODELS + JUDGE, "run.toml: judge", "openai:j", "references",
         "Remove [judge]"),
    Case("", HEAD + DATA + MODELS + JUDGE, "run.toml: judge", "openai:j", "references",
         "Remove [judge]"),
    Case("", TRANSLATE + LABELS + MODELS + "[judge]\nquestion = '?'\n", "judge.model", "None",
         "a value", "Add the key 'model'"),
    Case("", TRANSLATE + LABELS + MODELS + "[judge]\nmodel = 'gpt-4o'\n", "judge.model",
         "gpt-4o", "pattern", "Change"),
    Case("", TRANSLATE + LABELS + MODELS + JUDGE + "question = ''\n", "judge.question", "",
         "at least 1", "Change"),
    Case("", TRANSLATE + LABELS + '[[models]]\nref = "path:m"\n' + JUDGE
         + "[budget]\nmoney = 1\n", "budget.money", "1.0", "a price of openai:j",
         '[prices."j"]'),
    Case("", HEAD + DATA + MODELS + "[training]\nparaphrases = 0\n", "training.paraphrases", "0",
         "greater than or equal to 1", "Change"),
    Case("", HEAD + DATA + '[[models]]\nref = "hf:a/b"\n[budget]\nmoney = 1\n'
         '[training]\nparaphrase_with = "openai:x"\n', "budget.money", "1.0", "a price of openai:x",
         '[prices."x"]'),
    Case("", "name = \n", "run.toml", "line 1", "TOML", "Mend"),
    Case("", b"name = '\xff'", "run file", "run.toml", "UTF-8", "adapt init"),
]  # fmt: skip


@pytest.mark.parametrize("case", RUNS, ids=ids)
def test_a_run_file_at_fault_is_explained(case: Case, tmp_path: Path) -> None:
    path = write(tmp_path / "run.toml", case.content)
    assert_explained(case, lambda: read_run(path))


REWORDING = [
    Case("", "path:{encoder}", "training.paraphrase_with", "tiny", "this is an encoder", "decoder"),
    Case("", "path:{absent}", "training.paraphrase_with", "absent", "safetensors", "Point at"),
    Case("", "gpt-4o", "training.paraphrase_with", "gpt-4o", "openai:name", "prefixes"),
    Case("", "openai:gpt-4o", "training.paraphrase_with", "OPENAI_API_KEY is not set",
         "answers here", "another, or none"),
]  # fmt: skip


@pytest.mark.parametrize("case", REWORDING, ids=ids)
def test_a_model_that_cannot_paraphrase_is_explained(
    case: Case, tiny_model: ModelRef, tmp_path: Path
) -> None:
    encoder = build_tiny_encoder(tmp_path / "tiny")
    named = str(case.content).format(encoder=encoder, absent=tmp_path / "absent")
    run = parse_run({
        "name": "x", "data": {"documents": "d", "questions": "q"},
        "models": [{"ref": tiny_model.ref}], "training": {"paraphrase_with": named},
    })  # fmt: skip
    rows = [Question(id=f"{n}", question="?", answers=("a",), split="train") for n in range(30)]
    corpus = Corpus(documents=put_rows([]), count=9)
    assert_explained(case, lambda: make_plan(run, corpus, stored(rows, ())))
    untuned = run.model_copy(
        update={"decision": run.decision.model_copy(update={"paths": ("rag",)})}
    )
    assert make_plan(untuned, corpus, stored(rows, ())).paraphraser is None


def test_a_folder_without_a_finished_run_is_explained(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    case = Case("", "", "RUN_FOLDER", str(gone), "a folder that is there", "runs/<name>")
    assert_explained(case, lambda: read_finished(gone))
    case = Case("", "", "scorecards.json", "no such file", "a finished run wrote", "runs/<name>")
    assert_explained(case, lambda: read_finished(tmp_path))
    write(tmp_path / "scorecards.json", json.dumps({"scorecards": [{"model": "m"}]}))
    case = Case("", "", "scorecards.json: params", "m", "Field required", "this version")
    assert_explained(case, lambda: read_finished(tmp_path))


def test_a_missing_run_file_is_explained(tmp_path: Path) -> None:
    case = Case("", "", "run file", "absent.toml: no such file", "readable", "adapt init")
    assert_explained(case, lambda: read_run(tmp_path / "absent.toml"))
    case = Case("", "", "run file", f"{tmp_path}: is a directory", "readable", "adapt init")
    assert_explained(case, lambda: read_run(tmp_path))


OVERRIDES = [
    (Overrides(min_gain=7), "--min-gain (decision.min_gain)", "7", "less than 1", "Change"),
    (Overrides(paths=["ragg"]), "--path (decision.paths)", "ragg", "'rag'", "Change"),  # type: ignore[list-item]
    (Overrides(memory_gib=-1), "--memory-gib (limits.memory_gib)", "-1", "greater", "Change"),
    (Overrides(budget={"energy_kwh": 0}), "--budget-kwh (budget.energy_kwh)", "0", "greater",
     "Change"),
    (Overrides(budget={"money": 1}), "--budget-money (budget.money)", "1", "a price of openai:",
     "[prices."),
    (Overrides(models=["gpt-4"]), "--model", "gpt-4", "openai:name", "prefixes"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "where", "value", "allowed", "remedy"), OVERRIDES)
def test_a_fault_in_an_override_names_the_option_and_not_the_file(
    overrides: Overrides, where: str, value: str, allowed: str, remedy: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "run.toml", HEAD + DATA + MODELS)
    case = Case("", "", where, value, allowed, remedy)
    assert_explained(case, lambda: read_run(path, overrides))
    with pytest.raises(InputError) as caught:
        read_run(path, overrides)
    assert "run.toml" not in caught.value.where
    bad = write(tmp_path / "bad.toml", 'models = ["gpt-4"]\ndecision = 3\n' + HEAD + DATA)
    with pytest.raises(InputError):  # a fault of the file's own is told, whatever lies over it
        read_run(bad, Overrides(min_gain=0.1, models=["openai:x"]))


def test_a_fault_that_no_override_brought_stays_the_files(tmp_path: Path) -> None:
    path = write(tmp_path / "run.toml", HEAD + DATA + MODELS + "[decision]\nconfidence = 7\n")
    case = Case("", "", "run.toml: decision.confidence", "7", "less than 1", "Change")
    assert_explained(case, lambda: read_run(path, Overrides(min_gain=0.1)))

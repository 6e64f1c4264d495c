"""The decision by itself, on what a finished run measured: other limits, nothing measured again."""

from pathlib import Path
from typing import Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.steps import Stages, step
from tasks.core.decide import Verdict
from tasks.decision import decide_again as decision
from tasks.planning.plan import rule_and_evidence
from tasks.results.decided import render_decided, write_decided
from tasks.results.finished import Finished, read_finished
from tasks.results.outcome import Outcome, Planned

weigh = step(rule_and_evidence, "rule and evidence", cached=False)
rule_out = step(decision.all_vetoes, "vetoes", cached=False)
compare = step(decision.compare, "measurement", cached=False)
conclude = step(decision.verdict_again, "verdict", cached=False)
choose_model = step(decision.among_models, "choose model", cached=False)


@flow(name="decide", flow_run_name="decide {folder}")
def decide(
    folder: str,
    output: str | None = None,
    min_gain: float | None = None,
    confidence: float | None = None,
    primary: Literal["f1", "exact_match", "contains", "macro_f1", "accuracy"] | None = None,
    memory_gib: float | None = None,
    seconds_per_question: float | None = None,
    seconds_p95: float | None = None,
    money_per_question: float | None = None,
    energy_wh_per_question: float | None = None,
    min_refused: float | None = None,
    train_seconds: float | None = None,
    max_forgetting: float | None = None,
) -> Outcome:
    """Decide again on a finished run: nothing is loaded, asked, trained or registered.

    Args:
        folder: The finished run's folder, with its scorecards.json.
        output: Folder for the verdict.json of this decision; by default none is written.
        min_gain: By how much a costlier path must be better, in the primary metric's unit.
        confidence: Of the decision, shared by its claims.
        primary: The metric that decides.
        memory_gib: Memory that a model may use, GiB.
        seconds_per_question: Mean seconds that an answer may take.
        seconds_p95: Seconds within which 95 of 100 single questions are answered.
        money_per_question: What a hosted model's answer may cost.
        energy_wh_per_question: Watt-hours that an answer may take.
        min_refused: Share of the questions without an answer that must be refused.
        train_seconds: Longest training allowed.
        max_forgetting: Largest drop in general accuracy allowed, 0 to 1.
    """
    changes = decision.changes_of(
        min_gain=min_gain, confidence=confidence, primary=primary, memory_gib=memory_gib,
        seconds_per_question=seconds_per_question, seconds_p95=seconds_p95,
        money_per_question=money_per_question, energy_wh_per_question=energy_wh_per_question,
        min_refused=min_refused, train_seconds=train_seconds, max_forgetting=max_forgetting,
    )  # fmt: skip
    finished, stages = read_finished(Path(folder), changes), Stages()
    found = [one for planned in finished.models for one in decided(stages, finished, planned)]
    across = stages("choose model", choose_model, finished=finished, verdicts=tuple(found))
    outcome = Outcome(champion=None, verdicts=tuple(found), across=across)
    if output is not None:
        write_decided(outcome, Path(output))
    key = f"decision-{finished.run.name.lower().replace('_', '-')}"
    create_markdown_artifact(render_decided(finished, outcome), key=key)
    return outcome


def decided(stages: Stages, finished: Finished, planned: Planned) -> tuple[Verdict, ...]:
    """One model's verdict, one task a step; as it was where nothing was measured."""
    name = planned.model.name
    if not finished.dev(planned.model.ref):
        return decision.kept(finished, planned)
    weighed = stages(f"rule and evidence: {name}", weigh, run=finished.run, model=planned.model)
    vetoes = stages(f"vetoes: {name}", rule_out, finished=finished, planned=planned)
    found, race = stages(
        f"measurement: {name}", compare, finished=finished, planned=planned, vetoes=vetoes
    )
    verdict = stages(
        f"verdict: {name}", conclude, finished=finished, planned=planned, weighed=weighed,
        vetoes=vetoes, decision=found, race=race,
    )  # fmt: skip
    return (verdict,)

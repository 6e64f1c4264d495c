"""What the report says of a judge: what it was asked, how far to trust it, what it took."""

import math

from tasks.artifacts import Agreement
from tasks.results.markdown import bullets, interval_text
from tasks.results.record import RunRecord
from tasks.task.metrics import JUDGED


def render_judge(record: RunRecord) -> list[str]:
    """The judge's section; nothing without a judge."""
    judge = record.plan.judge
    if judge is None:
        return []
    asked = (
        f"`{judge.model.ref}` was shown each answer with its text, its references and the "
        f"instruction, not whose it is, and asked: *{judge.question}* `{JUDGED}` is the share of "
        "answers for which yes is likelier than no."
    )
    lines = [agreement_sentence(record)]
    if record.plan.self_judging:
        lines.append(record.plan.self_judging)
    unjudged = [f"`{card.path}`, {card.split}" for card in record.scorecards
                if JUDGED not in card.metrics]  # fmt: skip
    if unjudged:
        lines.append(f"Not judged, as a limit on hosted models came first: {', '.join(unjudged)}.")
    return ["## The judge", asked, bullets([*lines, _took(record)])]


def agreement_sentence(record: RunRecord) -> str:
    """How far the judge agrees with people, or that nobody knows."""
    found, spec = record.agreement, record.run.judge
    if found is None:
        why = "judge.labels names no answers that people judged"
        if spec is not None and spec.labels is not None:
            why = f"a limit on hosted models came before {spec.labels}"
        return f"Its agreement with people is unknown: {why}."
    return (
        f"Agreement with people on {found.n} answers, 95% intervals in brackets: accuracy "
        f"{interval_text(found.accuracy)}, Cohen's kappa {interval_text(found.kappa)}; it says yes "
        f"where people say no in {interval_text(found.yes_where_no)}, no where they say yes in "
        f"{interval_text(found.no_where_yes)}."
    )


def agreement_metrics(found: Agreement) -> dict[str, float]:
    """The same as numbers, for MLflow."""
    numbers = {"judge/n": float(found.n), "judge/tokens": float(found.cost.tokens)}
    for name in ("accuracy", "kappa", "yes_where_no", "no_where_yes"):
        one = getattr(found, name)
        numbers |= {f"judge/{name}": one.value, f"judge/{name}_low": one.low,
                    f"judge/{name}_high": one.high}  # fmt: skip
    return numbers


def _took(record: RunRecord) -> str:
    """What judging came to, in all and never among the costs of answering."""
    costs = [card.cost for card in record.scorecards if "judge_tokens" in card.cost]
    tokens = sum(int(cost["judge_tokens"]) for cost in costs)
    seconds = math.fsum(cost["judge_seconds"] for cost in costs)
    money = math.fsum(cost["judge_money"] or 0.0 for cost in costs)
    assert record.plan.judge is not None
    price = record.run.price(record.plan.judge.model.ref)
    if (found := record.agreement) is not None:
        tokens, seconds = tokens + found.cost.tokens, seconds + found.cost.seconds
        money += price.of(found.tokens_in, found.tokens_out) if price else 0.0
    text = f"Judging took {tokens} tokens and {seconds:.0f} s"
    if price:
        text += f", {money:.4f} {price.currency}"
    reused = any(cost["judge_reused_from"] for cost in costs)
    text += "; some of it in an earlier run" if reused else ""
    return f"{text}; none of it counts as answering."

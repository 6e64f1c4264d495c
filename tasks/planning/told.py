"""What is told of a run before anything is spent: time, requests to hosted models, the judge."""

from collections.abc import Iterable

from tasks.artifacts import ExampleSet, ModelRef, PathName
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.endpoint import address
from tasks.planning import pace
from tasks.planning.pace import NOTHING, Also
from tasks.planning.tokens import judge_tokens, paraphrased, prompt_tokens
from tasks.prompts import is_tuned
from tasks.results.outcome import Plan, Planned
from tasks.run import RunFile


def time_sentence(
    seconds: dict[PathName, float], beside: float = pace.START_SECONDS, *, raced: bool = False
) -> str:
    """Seconds of each path and beside them, for people; with a smaller run beside a long one."""
    total = beside + sum(seconds.values())
    device, _ = device_and_dtype()
    if raced:
        return (
            f"Measuring all of it would take about {_minutes(total)} on this machine ({device}, "
            f"{dtype_name()}); the budget buys a part."
        )
    text = f"About {_minutes(total)} on this machine ({device}, {dtype_name()}) if nothing is"
    text += " cached; the same command goes on where a run was stopped."
    untrained = beside + sum(s for path, s in seconds.items() if not is_tuned(path))
    if total > 600 and untrained < total / 2:
        text += f" Smaller: --path prompt --path rag, about {_minutes(untrained)}."
    return text


def paraphrase_sentences(
    run: RunFile, examples: ExampleSet, model: ModelRef | None, rate: float
) -> tuple[str, ...]:
    """What the model that rewords training questions is asked for, if there is one."""
    if model is None:
        return ()
    count = paraphrased(run, examples)
    text = f"{model.ref} is asked for up to {count} paraphrases of training {run.noun}s first"
    seconds = pace.paraphrase_seconds(run, examples, model, rate)
    return (f"{text}, about {_minutes(seconds)}." if seconds else f"{text}.",)


def changes_sentences(
    run: RunFile, examples: ExampleSet, plan: Plan, rate: float, also: Also
) -> tuple[str, ...]:
    """What is asked about changed documents, and what of the time that takes."""
    if not also.changed:
        return ()
    after = pace.estimate_seconds(run, examples, plan.models, rate, also)
    before = pace.estimate_seconds(run, examples, plan.models, rate)
    text = (
        f"The {also.changed} questions about changed documents are asked of every path, and where "
        "it retrieves again once the index has followed"
    )
    seconds = sum(after.values()) - sum(before.values())
    return (f"{text}: about {_minutes(seconds)} of the time." if seconds else f"{text}.",)


def hosted_sentences(
    run: RunFile, examples: ExampleSet, plan: Iterable[Planned], also: Also = NOTHING
) -> tuple[str, ...]:
    """What each hosted model will be asked, before any request is paid for."""
    sentences = []
    for planned in plan:
        if planned.model.open_weights or not planned.paths:
            continue
        tokens = requests = 0.0
        for path in planned.paths:
            each = pace.trials(run) + examples.count("dev") + pace.changed_answers(path, also)
            requests += each
            tokens += each * prompt_tokens(run, examples, planned.model, path)
        requests += examples.count("test")
        sentences.append(_hosted_sentence(run, planned.model.ref, round(requests), tokens))
    return tuple(sentences)


def judge_sentences(
    run: RunFile, examples: ExampleSet, plan: Plan, rate: float, also: Also = NOTHING
) -> tuple[str, ...]:
    """How many answers a judge is asked about, what that takes, and whether it judges itself."""
    if plan.judge is None:
        return ()
    model, asked = plan.judge.model, pace.judged_answers(run, examples, plan, also)
    if model.open_weights:
        seconds = pace.judge_seconds(run, examples, plan, rate, also)
        text = f"{model.ref} is asked about up to {asked} answers"
        text += f", about {_minutes(seconds)} of the time." if seconds else "."
    else:
        text = _hosted_sentence(run, model.ref, asked, asked * judge_tokens(examples))
    warning = plan.self_judging
    return (f"The judge: {text}", *([f"The judge: {warning}"] if warning else []))


def _hosted_sentence(run: RunFile, ref: str, requests: int, read: float) -> str:
    price = run.price(ref)
    text = f"{ref}: up to {requests} requests to {address()}"
    text += f", roughly {read / 1000:.0f} thousand tokens"
    if price:
        text += f", {price.of(round(read), 0):.2g} {price.currency} and the answers'"
    limits = [
        f"{name} {value:g}" for name, value in
        (("money", run.budget.money), ("hosted_tokens", run.limits.hosted_tokens))
        if value is not None
    ]  # fmt: skip
    return text + (f"; it stops at {' and '.join(limits)}." if limits else "; no limit is set.")


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"

"""How long a run will take on this machine, told before anything is loaded."""

import math
import time
from collections.abc import Iterable, Sequence

from tasks.artifacts import ExampleSet, ModelRef, PathName
from tasks.core.halving import epochs_in_all
from tasks.data.questions import read_questions
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.endpoint import address
from tasks.prompts import is_tuned, reads_passages
from tasks.results.outcome import Estimate, Plan, Planned
from tasks.run import RunFile
from tasks.task.known import find_task
from tasks.task.metrics import JUDGED
from tasks.training.search import candidates

# Shares of the speed of bare matrix products, measured with SmolLM2-135M on 2 cores with bf16:
# the rest goes to attention, norms, the cache and the adapter.
ANSWERING_SHARE = 0.35
TRAINING_SHARE = 0.4
BURSTS = 6  # of matrix products, in which the speed is measured
TOKENS_AROUND = 60  # of a question, its instruction, template and answer
AROUND_AN_EXAMPLE = 12  # tokens of its label, and of what parts it from the next
CHARACTERS_A_TOKEN = 4  # of English prose
TOKENS_GENERAL = 12_000  # of the general questions' choices and texts that an example run has
START_SECONDS = 45  # Prefect, imports, conversion of weights, MLflow


def matmul_rate(seconds: float = 0.3) -> float:
    """Floating-point operations a second of matrix products in the dtype that is here.

    The fastest of six bursts counts: who else is at work for a moment makes no difference.
    """
    import torch

    device, dtype = device_and_dtype()
    left = torch.ones(512, 576, dtype=dtype, device=device)
    right = torch.ones(576, 1536, dtype=dtype, device=device)
    (left @ right)[0, 0].item()
    best = 0.0
    for _ in range(BURSTS):
        done, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds / BURSTS or not done:
            (left @ right)[0, 0].item()  # waits for a GPU
            done += 1
        best = max(best, done * 2 * 512 * 576 * 1536 / passed)
    return best


def estimate_seconds(
    run: RunFile, examples: ExampleSet, plan: Iterable[Planned], rate: float
) -> dict[PathName, float]:
    """Seconds that each path takes if nothing is cached, summed over the measured models."""
    seconds: dict[PathName, float] = {}
    for planned in plan:
        model = planned.model
        for path in planned.paths:
            asked = examples.count("dev") + trials(run)
            took = answering = asked * question_seconds(run, examples, model, path, rate)
            if model.tells_likelihood and (is_tuned(path) or path == "prompt"):
                took += general_seconds(model.params, rate)
            training = training_seconds(run, examples, model, path, rate)
            if _is_trained(planned, path):
                took += training
            if is_tuned(path) and planned.system is None:  # trained on shares, asked after each
                shares = run.training.learning_curve
                took += math.fsum(shares) * training + len(shares) * answering
            seconds[path] = seconds.get(path, 0.0) + took
    return seconds


def with_estimates(run: RunFile, examples: ExampleSet, plan: Plan, rate: float) -> Plan:
    """A plan with what each path that will be measured is expected to take."""
    return plan.model_copy(
        update={
            "models": tuple(
                planned.model_copy(update={"estimates": _estimates(run, examples, planned, rate)})
                for planned in plan.models
            )
        }
    )


def _estimates(
    run: RunFile, examples: ExampleSet, planned: Planned, rate: float
) -> tuple[Estimate, ...]:
    model, asked = planned.model, examples.count("dev")
    found = []
    for path in planned.paths if model.params is not None else ():
        trains = is_tuned(path) and _is_trained(planned, path)
        training = training_seconds(run, examples, model, path, rate)
        found.append(
            Estimate(
                path=path,
                answer_gib=planned.answer_gib,
                train_gib=planned.train_gib if trains else None,
                answer_seconds=asked * question_seconds(run, examples, model, path, rate),
                train_seconds=training if trains else None,
            )
        )
    return tuple(found)


def _is_trained(planned: Planned, path: PathName) -> bool:
    """Whether a path has a training of its own: an encoder's one head serves both tuned paths."""
    if planned.system is not None:  # it was trained long ago
        return False
    return planned.model.generates or path == "finetune" or "finetune" not in planned.paths


def trials(run: RunFile) -> int:
    """How many training questions a path answers to choose its prompt."""
    return len(find_task(run.task).untuned) * run.answering.prompt_sample


def question_seconds(
    run: RunFile, examples: ExampleSet, model: ModelRef, path: PathName, rate: float
) -> float:
    """Seconds in which a model answers one question; 0 for a hosted one or of unknown size."""
    tokens = prompt_tokens(run, examples, model, path)
    return tokens * 2 * _params_here(model) / (rate * ANSWERING_SHARE)


def _params_here(model: ModelRef) -> float:
    """Parameters that are computed with on this machine, as far as they are known."""
    return (model.params or 0) if model.open_weights else 0.0


def general_seconds(params: float | None, rate: float) -> float:
    """Seconds of one check of general knowledge."""
    return TOKENS_GENERAL * 2 * (params or 0) / (rate * ANSWERING_SHARE)


def training_seconds(
    run: RunFile, examples: ExampleSet, model: ModelRef, path: PathName, rate: float
) -> float:
    """Seconds of a path's training.

    Backward through frozen weights costs as much as forward, through tuned ones twice as much.
    """
    whole = not model.generates and run.training.tunes_fully(model.params)
    flops = (3 if whole else 2) * 2 * _params_here(model)
    return _train_tokens(run, examples, model, path) * flops / (rate * TRAINING_SHARE)


def prompt_tokens(run: RunFile, examples: ExampleSet, model: ModelRef, path: PathName) -> float:
    """Tokens of one prompt with its answer, roughly; an encoder is shown the text, or nothing."""
    if not model.generates:
        return _passage_tokens(run, examples) if is_tuned(path) else 0.0
    around = TOKENS_AROUND
    if examples.pairs:
        around += round(_pair_tokens(examples))
        if path == "prompt":
            around += round(run.answering.demonstrations * _passage_tokens(run, examples))
    shown = run.index.k * _passage_tokens(run, examples) if reads_passages(path) else 0
    return around + shown


def _passage_tokens(run: RunFile, examples: ExampleSet) -> float:
    """A passage's tokens: chunks are nearly full; an example has those of its text and answer."""
    if find_task(run.task).retrieves == "documents":
        return run.index.chunk_tokens
    if examples.pairs:
        return AROUND_AN_EXAMPLE + _pair_tokens(examples)
    texts = [one.question for one in read_questions(examples, "train")]
    return AROUND_AN_EXAMPLE + _mean_tokens(texts)


def _pair_tokens(examples: ExampleSet) -> float:
    """Tokens of a text and its first reference."""
    train = read_questions(examples, "train")
    texts = [one.question for one in train], [one.answers[0] for one in train]
    return math.fsum(map(_mean_tokens, texts))


def _mean_tokens(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / CHARACTERS_A_TOKEN / len(texts)


def _train_tokens(run: RunFile, examples: ExampleSet, model: ModelRef, path: PathName) -> float:
    if not is_tuned(path):
        return 0.0
    spec = run.training
    epochs = spec.epochs_with_passages if reads_passages(path) else spec.epochs
    rows = learnt(run, examples) * (1 + spec.rewordings)
    tokens = prompt_tokens(run, examples, model, path)
    if not model.generates:
        return spec.encoder_epochs * rows * tokens
    epochs = epochs_in_all(len(candidates(spec)), epochs)
    return epochs * rows * (tokens + spec.replay * TOKENS_AROUND)


def learnt(run: RunFile, examples: ExampleSet) -> float:
    """How many training questions are learnt from, when those that stop it early are held out."""
    return examples.count("train") * (1 - run.training.validation)


def paraphrase_sentences(
    run: RunFile, examples: ExampleSet, model: ModelRef | None, rate: float
) -> tuple[str, ...]:
    """What the model that rewords training questions is asked for, if there is one."""
    if model is None:
        return ()
    count = round(learnt(run, examples) * run.training.rewordings)
    text = f"{model.ref} is asked for up to {count} paraphrases of training {run.noun}s first"
    seconds = count * question_seconds(run, examples, model, "prompt", rate)
    return (f"{text}, about {_minutes(seconds)}." if seconds else f"{text}.",)


def sentence(seconds: dict[PathName, float], *, raced: bool = False) -> str:
    """The estimate for people, with a smaller run beside it where the whole is long."""
    total = START_SECONDS + sum(seconds.values())
    device, _ = device_and_dtype()
    if raced:
        return (
            f"Measuring all of it would take about {_minutes(total)} on this machine ({device}, "
            f"{dtype_name()}); the budget buys a part."
        )
    text = f"About {_minutes(total)} on this machine ({device}, {dtype_name()}) if nothing is"
    text += " cached; the same command goes on where a run was stopped."
    untrained = START_SECONDS + sum(s for path, s in seconds.items() if not is_tuned(path))
    if total > 600 and untrained < total / 2:
        text += f" Smaller: --path prompt --path rag, about {_minutes(untrained)}."
    return text


def hosted_sentences(
    run: RunFile, examples: ExampleSet, plan: Iterable[Planned]
) -> tuple[str, ...]:
    """What each hosted model will be asked, before any request is paid for."""
    sentences = []
    for planned in plan:
        if planned.model.open_weights or not planned.paths:
            continue
        each = trials(run) + examples.count("dev")
        requests = each * len(planned.paths) + examples.count("test")
        read = sum(
            each * prompt_tokens(run, examples, planned.model, path) for path in planned.paths
        )
        sentences.append(_hosted_sentence(run, planned.model.ref, requests, read))
    return tuple(sentences)


def judge_sentences(run: RunFile, examples: ExampleSet, plan: Plan) -> tuple[str, ...]:
    """The same of a hosted judge; it is asked of every answer once."""
    if plan.judge is None or plan.judge.model.open_weights:
        return ()
    measured = [len(planned.paths) for planned in plan.models if planned.paths]
    rounds = sum(measured)
    if run.decision.primary == JUDGED:
        rounds *= 1 + bool(run.data.misspelled) + len(run.training.learning_curve)
    requests = rounds * examples.count("dev") + len(measured) * examples.count("test")
    read = requests * (TOKENS_AROUND + 1.5 * _pair_tokens(examples))
    told = _hosted_sentence(run, plan.judge.model.ref, requests, read)
    return (f"The judge, beside the answers that people judged: {told}",)


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

"""How long a run will take on this machine, told before anything is loaded."""

import math
import time
from collections.abc import Iterable
from typing import NamedTuple

from tasks.artifacts import ExampleSet, ModelRef, PathName
from tasks.machine import device_and_dtype
from tasks.planning.adapters import is_first, training_of
from tasks.planning.tokens import judge_tokens, paraphrased, prompt_tokens, train_tokens
from tasks.prompts import is_tuned, reads_passages
from tasks.results.outcome import Estimate, Plan, Planned
from tasks.run import RunFile
from tasks.task.known import find_task
from tasks.task.metrics import JUDGED
from tasks.training.loop import BOTH

# Shares of the speed of bare matrix products, measured with SmolLM2-135M on 2 cores with bf16:
# the rest goes to attention, norms, the cache and the adapter.
ANSWERING_SHARE = 0.45
TRAINING_SHARE = 0.55
BURSTS = 6  # of matrix products, in which the speed is measured
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


class Also(NamedTuple):
    """What is asked beside the splits: questions about what changes, answers that people judged."""

    changed: int = 0
    labelled: int = 0


NOTHING = Also()


def estimate_seconds(
    run: RunFile,
    examples: ExampleSet,
    plan: Iterable[Planned],
    rate: float,
    also: Also = NOTHING,
) -> dict[PathName, float]:
    """Seconds that each path takes if nothing is cached, summed over the measured models."""
    seconds: dict[PathName, float] = {}
    for planned in plan:
        model = planned.model
        for path in planned.paths:
            asked = examples.count("dev") + trials(run) + changed_answers(path, also)
            took = answering = asked * question_seconds(run, examples, model, path, rate)
            if model.tells_likelihood and (is_tuned(path) or path == "prompt"):
                took += general_seconds(model.params, rate)
            training = own_training_seconds(run, examples, planned, path, rate)
            if is_first(run.training, planned, path):
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
        trains = is_first(run.training, planned, path)
        answering, tuning = planned.need(path)
        training = own_training_seconds(run, examples, planned, path, rate)
        found.append(
            Estimate(
                path=path,
                answer_gib=answering,
                train_gib=tuning if trains else None,
                answer_seconds=asked * question_seconds(run, examples, model, path, rate),
                train_seconds=training if trains else None,
            )
        )
    return tuple(found)


def changed_answers(path: PathName, also: Also) -> int:
    """How many answers about what changes: as it is, and from the index that has followed."""
    return also.changed * (1 + reads_passages(path))


def judged_answers(run: RunFile, examples: ExampleSet, plan: Plan, also: Also = NOTHING) -> int:
    """How many answers a judge reads at most: each once, and those that people judged."""
    measured = [len(planned.paths) for planned in plan.models if planned.paths]
    rounds = sum(measured)
    if run.decision.primary == JUDGED:
        rounds *= 1 + bool(run.data.misspelled) + len(run.training.learning_curve)
    found = rounds * examples.count("dev") + len(measured) * examples.count("test")
    return found + also.labelled


def judge_seconds(
    run: RunFile, examples: ExampleSet, plan: Plan, rate: float, also: Also = NOTHING
) -> float:
    """Seconds in which a judge reads all answers; 0 without one, or for a hosted one."""
    if plan.judge is None:
        return 0.0
    tokens = judged_answers(run, examples, plan, also) * judge_tokens(examples)
    return tokens * 2 * _params_here(plan.judge.model) / (rate * ANSWERING_SHARE)


def paraphrase_seconds(
    run: RunFile, examples: ExampleSet, model: ModelRef | None, rate: float
) -> float:
    """Seconds in which training questions are reworded; 0 if nobody does, or a hosted model."""
    if model is None:
        return 0.0
    return paraphrased(run, examples) * question_seconds(run, examples, model, "prompt", rate)


def total_seconds(
    run: RunFile, examples: ExampleSet, plan: Plan, rate: float, also: Also = NOTHING
) -> tuple[dict[PathName, float], float]:
    """Seconds of each path, and of all that is done once beside them."""
    beside = judge_seconds(run, examples, plan, rate, also)
    beside += paraphrase_seconds(run, examples, plan.paraphraser, rate)
    return estimate_seconds(run, examples, plan.models, rate, also), START_SECONDS + beside


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


def own_training_seconds(
    run: RunFile, examples: ExampleSet, planned: Planned, path: PathName, rate: float
) -> float:
    """Seconds of the training that makes a planned path's adapter; 0 without one."""
    training = training_of(run.training, planned, path)
    if training is None:
        return 0.0
    return training_seconds(run, examples, planned.model, path, rate, shared=training == BOTH)


def training_seconds(
    run: RunFile,
    examples: ExampleSet,
    model: ModelRef,
    path: PathName,
    rate: float,
    *,
    shared: bool = False,
) -> float:
    """Seconds of a path's training, of its own or shared by both tuned paths.

    Backward through frozen weights costs as much as forward, through tuned ones twice as much.
    """
    whole = not model.generates and run.training.tunes_fully(model.params)
    flops = (3 if whole else 2) * 2 * _params_here(model)
    forms: tuple[PathName, ...] = ("finetune", "finetune+rag") if shared else (path,)
    tokens = math.fsum(train_tokens(run, examples, model, one, shared) for one in forms)
    return tokens * flops / (rate * TRAINING_SHARE)

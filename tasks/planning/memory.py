"""What memory a model needs here, estimated from the run file before anything is loaded."""

from collections.abc import Callable, Iterable
from functools import partial

from tasks import machine
from tasks.artifacts import ExampleSet, ModelRef, PathName
from tasks.core.estimate import PROCESS_GIB, RUNTIME_GIB, answer_gib, split_batch, train_gib
from tasks.models.references import config_of
from tasks.planning.tokens import longest_prompt
from tasks.prompts import is_tuned
from tasks.results.outcome import Need
from tasks.run import RunFile

ENCODER_TOKENS = 512  # the longest text that BERT's kind reads
ENCODER_BYTES = 4  # a parameter: encoders are kept in fp32


def memory_there(run: RunFile) -> float:
    """GiB that models may use: the run file's limit, and no more than the machine has."""
    there = machine.memory_gib()
    return min(run.limits.memory_gib or there, there)


def most(needs: Iterable[float | None]) -> float | None:
    """The most of some needs; None where none is known."""
    return max((need for need in needs if need is not None), default=None)


def memory_needs(
    run: RunFile, model: ModelRef, examples: ExampleSet | None = None
) -> tuple[Need, ...]:
    """GiB to answer and to tune in the run's batches, by path; none where the size is not known.

    A batch is `answering.batch_size` prompts, or `training.batch_size` examples, with all the
    passages of a path that reads some; an encoder reads the text alone, whatever is retrieved.
    What does not fit a GPU counts as it will be split. A hosted model needs nothing. Without
    `examples` those of a prompt are taken for long ones.
    """
    if not model.open_weights or model.params is None:
        return ()
    return tuple(_need(run, model, examples, path) for path in run.decision.order)


def _cached(model: ModelRef) -> float:
    """The share of a decoder's heads whose keys and values are cached: less than all if grouped."""
    config = config_of(model.ref)
    heads, own = config.get("num_attention_heads"), config.get("num_key_value_heads")
    return own / heads if heads and own else 1


def _need(run: RunFile, model: ModelRef, examples: ExampleSet | None, path: PathName) -> Need:
    size = model.params, model.layers, model.hidden
    spec = run.training
    runtime = PROCESS_GIB if _device() == "cpu" else RUNTIME_GIB
    more = {"dora": spec.use_dora, "dropout": spec.lora_dropout > 0}
    rank: int | None = max((spec.rank, *spec.try_rank))
    if model.generates:
        width = 2 if machine.dtype_name() == "bfloat16" else 4
        tokens, begin = longest_prompt(run, examples, path)
        answering = partial(
            answer_gib, *size, tokens=tokens, bytes_per_param=width, runtime=runtime,
            cache=_cached(model), begin=begin,
        )  # fmt: skip
        tuning = partial(
            train_gib, *size, tokens=min(tokens, spec.max_tokens), bytes_per_param=width,
            runtime=runtime, rank=None if spec.method == "full" else rank,
            four_bits=spec.method == "qlora", **more,
        )  # fmt: skip
    else:
        tokens = min(spec.max_tokens, ENCODER_TOKENS)
        answering = partial(
            answer_gib, *size, tokens=tokens, bytes_per_param=ENCODER_BYTES, runtime=runtime,
            cache=0,
        )  # fmt: skip
        tuning = partial(
            train_gib, *size, tokens=tokens, bytes_per_param=ENCODER_BYTES, runtime=runtime,
            rank=None if spec.tunes_fully(model.params) else rank, vocabulary=0, **more,
        )  # fmt: skip
    return Need(
        path=path,
        answer_gib=_fitted(answering, run.answering.batch_size),
        train_gib=_fitted(tuning, spec.batch_size) if is_tuned(path) else None,
    )


def _fitted(need: Callable[..., float | None], batch: int) -> float:
    """GiB for a batch, or for the largest part of it that fits where a GPU's batch is split."""
    part, found = batch, need(batch=batch)
    while found and part > 1 and _device() == "cuda" and found > machine.memory_gib():
        part = split_batch(part, batch)
        found = need(batch=part)
    assert found is not None
    return found


def _device() -> str:
    return machine.device_and_dtype()[0]

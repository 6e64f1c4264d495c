"""What memory a model needs here, estimated from the run file before anything is loaded."""

from collections.abc import Iterable
from functools import partial

from tasks import machine
from tasks.artifacts import ExampleSet, ModelRef, PathName
from tasks.core.estimate import (
    PROCESS_GIB,
    RUNTIME_GIB,
    answer_gib,
    split_batch,
    train_gib,
)
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
    passages of a path that reads some; an encoder reads the text alone, whatever is retrieved. A
    batch of training that does not fit a GPU counts as it will be split. A hosted model needs
    nothing. Without `examples` those of a prompt are taken for long ones.
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
    spec, answering = run.training, run.answering.batch_size
    device, _ = machine.device_and_dtype()
    runtime = PROCESS_GIB if device == "cpu" else RUNTIME_GIB
    more = {"dora": spec.use_dora, "dropout": spec.lora_dropout > 0}
    rank: int | None = max((spec.rank, *spec.try_rank))
    if model.generates:
        width = 2 if machine.dtype_name() == "bfloat16" else 4
        tokens, begin = longest_prompt(run, examples, path)
        trained = min(tokens, spec.max_tokens)
        answer = answer_gib(
            *size, answering, tokens, width, cache=_cached(model), begin=begin, runtime=runtime
        )
        tuning = partial(
            train_gib, *size, tokens=trained, bytes_per_param=width, runtime=runtime,
            rank=None if spec.method == "full" else rank, four_bits=spec.method == "qlora", **more,
        )  # fmt: skip
    else:
        tokens = min(spec.max_tokens, ENCODER_TOKENS)
        answer = answer_gib(*size, answering, tokens, ENCODER_BYTES, cache=0, runtime=runtime)
        tuning = partial(
            train_gib, *size, tokens=tokens, bytes_per_param=ENCODER_BYTES, runtime=runtime,
            rank=None if spec.tunes_fully(model.params) else rank, vocabulary=0, **more,
        )  # fmt: skip
    batch, train = spec.batch_size, tuning(batch=spec.batch_size)
    assert answer is not None
    assert train is not None
    while batch > 1 and device == "cuda" and train > machine.memory_gib():
        batch = split_batch(batch, spec.batch_size)
        train = tuning(batch=batch) or train
    return Need(path=path, answer_gib=answer, train_gib=train if is_tuned(path) else None)

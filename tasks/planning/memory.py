"""What memory a model needs here, estimated from the run file before anything is loaded."""

from tasks import machine
from tasks.artifacts import ExampleSet, ModelRef
from tasks.core.estimate import answer_gib, train_gib
from tasks.planning.tokens import longest_prompt
from tasks.run import RunFile

ENCODER_TOKENS = 512  # the longest text that BERT's kind reads
ENCODER_BYTES = 4  # a parameter: encoders are kept in fp32


def memory_there(run: RunFile) -> float:
    """GiB that models may use: the run file's limit, and no more than the machine has."""
    there = machine.memory_gib()
    return min(run.limits.memory_gib or there, there)


def memory_needs(
    run: RunFile, model: ModelRef, examples: ExampleSet | None = None
) -> tuple[float | None, float | None]:
    """GiB to answer and to tune in the run's batches; None where the size is not known or needed.

    A batch is `answering.batch_size` prompts, or `training.batch_size` examples, each with all its
    passages; an encoder reads the text alone, whatever is retrieved. A hosted model needs nothing.
    Without `examples` those that a prompt shows are taken for long ones.
    """
    if not model.open_weights:
        return None, None
    size = model.params, model.layers, model.hidden
    spec, answering = run.training, run.answering.batch_size
    more = {"dora": spec.use_dora, "dropout": spec.lora_dropout > 0}
    rank: int | None = max((spec.rank, *spec.try_rank))
    if model.generates:
        rank = None if spec.method == "full" else rank
        four_bits = spec.method == "qlora"
        tokens = longest_prompt(run, examples)
        width = 2 if machine.dtype_name() == "bfloat16" else 4
        trained = spec.batch_size, min(tokens, spec.max_tokens)
        return (
            answer_gib(*size, answering, tokens, width),
            train_gib(*size, *trained, width, rank=rank, four_bits=four_bits, **more),
        )
    tokens = min(spec.max_tokens, ENCODER_TOKENS)
    if spec.tunes_fully(model.params):
        rank = None
    trained = spec.batch_size, tokens
    return (
        answer_gib(*size, answering, tokens, ENCODER_BYTES, cache=False),
        train_gib(*size, *trained, ENCODER_BYTES, rank=rank, vocabulary=0, **more),
    )

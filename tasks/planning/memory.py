"""What memory a model needs here, estimated from the run file before anything is loaded."""

from tasks.artifacts import ModelRef
from tasks.core.estimate import answer_gib, train_gib
from tasks.run import RunFile

ENCODER_TOKENS = 512  # the longest text that BERT's kind reads
ENCODER_BYTES = 4  # a parameter: encoders are kept in fp32


def memory_needs(
    run: RunFile,
    model: ModelRef,
    *,
    answering: tuple[int, int],
    training: tuple[int, int],
    bytes_per_param: float = 2,
) -> tuple[float | None, float | None]:
    """GiB to answer and to tune, each for so many prompts of so many tokens at once.

    An encoder reads the text alone, whatever is retrieved.
    """
    size = model.params, model.layers, model.hidden
    spec = run.training
    more = {"dora": spec.use_dora, "dropout": spec.lora_dropout > 0}
    rank: int | None = max((spec.rank, *spec.try_rank))
    if model.generates:
        rank = None if spec.method == "full" else rank
        four_bits = spec.method == "qlora"
        return (
            answer_gib(*size, *answering, bytes_per_param),
            train_gib(*size, *training, bytes_per_param, rank=rank, four_bits=four_bits, **more),
        )
    tokens = min(spec.max_tokens, ENCODER_TOKENS)
    if spec.tunes_fully(model.params):
        rank = None
    return (
        answer_gib(*size, answering[0], tokens, ENCODER_BYTES, cache=False),
        train_gib(*size, training[0], tokens, ENCODER_BYTES, rank=rank, vocabulary=0, **more),
    )

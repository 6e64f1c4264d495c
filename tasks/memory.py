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
    rank: int | None = run.training.rank
    if model.generates:
        return (
            answer_gib(*size, *answering, bytes_per_param),
            train_gib(*size, *training, bytes_per_param, rank=rank),
        )
    tokens = min(run.training.max_tokens, ENCODER_TOKENS)
    if run.training.tunes_fully(model.params):
        rank = None
    return (
        answer_gib(*size, answering[0], tokens, ENCODER_BYTES, cache=False),
        train_gib(*size, training[0], tokens, ENCODER_BYTES, rank=rank, vocabulary=0),
    )

"""Memory that answering and fine-tuning need, estimated from a model's shape before loading it.

Upper estimates by formula, never measurements: GiB, for one device. Each returns None where the
number of parameters is unknown. Layers and width that are unknown follow from the usual shape of
decoders: params = 12 layers hidden^2 with hidden = 128 layers (7e9 gives 33 layers of 4200).
"""

GIB = 2**30
RUNTIME_GIB = 0.5  # libraries and a device context, seen with nothing loaded
PROCESS_GIB = 1.1  # the same of a whole process, with encoder and index; 0.8 to 1.4 were seen
PASS_WIDTHS = 16  # live values a token in one layer, in hidden widths: residual, q, k, v, MLP
TRAIN_BYTES = 34  # bytes a token, layer and hidden width kept for backward at 16 bits, with an
# attention that does not keep its matrix (Korthikanti et al. 2022, section 4, less its 5as/h)
LORA_BYTES = 60  # the same for adapters in fp32 beside 16 bits: peft casts each layer's input; both
# together fit 94 that were measured with SmolLM2-135M, from 64 to 900 tokens a row
CAST_BYTES = 2  # of a parameter that is trained itself, for the pass in 16 bits
QLORA_BYTES = 0.6  # a parameter at 4 bits with nested constants (4.13 bits, arXiv:2305.14314); the
# embeddings and the head stay at 16, 4% of the parameters at 7e9
DORA_BYTES = (
    42  # as TRAIN_BYTES, for what DoRA keeps more: adapter's and base's result of each layer
)
DROPOUT_BYTES = 26  # the same for dropout: of each layer's input a copy and a mask
ADAPTER_WIDTHS = 22  # LoRA on all linear layers: 8 h r for q, k, v, o and about 14 h r for an MLP
ADAPTER_BYTES = 16  # a trained parameter in fp32: itself, its gradient, two Adam moments
LOGIT_BYTES = 10  # a logit in training: 16 bits, its fp32 copy for the loss, the gradient
ANSWER_TOKENS = 64  # of a row, at which logits are computed


def answer_gib(
    params: float | None,
    layers: int | None,
    hidden: int | None,
    batch: int,
    tokens: int,
    bytes_per_param: float = 2,
    *,
    cache: float = 1,
    begin: int = 0,
    runtime: float = RUNTIME_GIB,
) -> float | None:
    """GiB to answer `batch` prompts of `tokens` (answer included) at once.

    All of them may begin with `begin` tokens more, which are computed once, and cached for each.
    Weights + key-value cache (2 layers hidden a token, times `cache`: the share of the heads that
    have keys and values of their own, 0 for encoders) + the widest layer's values + the runtime.
    """
    if params is None:
        return None
    depth, width = _shape(params, layers, hidden)
    values = 2 * depth * cache * (tokens + begin) + PASS_WIDTHS * tokens
    live = values * width * batch * bytes_per_param
    return (params * bytes_per_param + live) / GIB + runtime


def train_gib(
    params: float | None,
    layers: int | None,
    hidden: int | None,
    batch: int,
    tokens: int,
    bytes_per_param: float = 2,
    *,
    rank: int | None = 16,
    vocabulary: int = 50_000,
    four_bits: bool = False,
    dora: bool = False,
    dropout: bool = False,
    runtime: float = RUNTIME_GIB,
) -> float | None:
    """GiB to fine-tune, no checkpointing: `batch` sequences of `tokens` a step.

    Frozen weights, with `four_bits` as QLoRA holds them + adapter with gradient and Adam states +
    activations kept for the backward pass + logits of the answers + the runtime. Without a rank
    all weights are tuned, with a 16-bit copy for the pass, and none is frozen.
    """
    if params is None:
        return None
    depth, width = _shape(params, layers, hidden)
    held = params * (QLORA_BYTES if four_bits else bytes_per_param)
    tuned = ADAPTER_WIDTHS * width * depth * (rank or 0)
    if rank is None:
        held, tuned = params * CAST_BYTES, params
    kept = TRAIN_BYTES + DORA_BYTES * dora + DROPOUT_BYTES * dropout
    kept += LORA_BYTES * (rank is not None and bytes_per_param == 2)
    activations = kept * bytes_per_param / 2 * depth * width * batch * tokens
    logits = LOGIT_BYTES * vocabulary * batch * min(tokens, ANSWER_TOKENS)
    return (held + tuned * ADAPTER_BYTES + activations + logits) / GIB + runtime


def split_batch(batch: int, whole: int) -> int:
    """The next smaller batch, at most half, whose gradients add up to those of a whole one."""
    return next(n for n in range(batch // 2, 0, -1) if whole % n == 0)


def _shape(params: float, layers: int | None, hidden: int | None) -> tuple[float, float]:
    if layers and hidden:
        return layers, hidden
    depth = layers or max((params / (12 * 128**2)) ** (1 / 3), 1.0)
    return depth, hidden or (params / (12 * depth)) ** 0.5

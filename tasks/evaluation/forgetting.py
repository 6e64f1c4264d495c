"""General knowledge of a model, with or without adapter: what a fine-tuning cost it."""

from tasks.artifacts import Adapter, General, GeneralScore, ModelRef
from tasks.core.stats import Interval, mean_interval
from tasks.data.collect import read_general_items, read_general_text


def general_score(
    model: ModelRef,
    adapter: Adapter | None,
    general: General,
    batch_size: int = 32,
) -> GeneralScore:
    """Accuracy on multiple choice by likelihood, and loss on held-out general text.

    The choice with the highest log-probability a token is the model's; the loss is in nats a
    token, its interval over texts.
    """
    from tasks.models.loading import load_decoder

    items, heldout = read_general_items(general), read_general_text(general, "heldout")
    decoder = load_decoder(model.ref, adapter)
    step = "general questions" + (" (tuned)" if adapter else "")
    asked = [
        (f"Question: {item.question}\nAnswer:", f" {c}") for item in items for c in item.choices
    ]
    prompts, choices = [question for question, _ in asked], [choice for _, choice in asked]
    likely = decoder.score(prompts, choices, batch_size, step)
    each = [choice.log_probability / choice.tokens for choice in likely]
    correct = []
    for item in items:
        mine, each = each[: len(item.choices)], each[len(item.choices) :]
        correct.append(int(mine.index(max(mine)) == item.answer))
    prompts = [decoder.render((("user", text.question),)) for text in heldout]
    found = decoder.score(prompts, [text.text for text in heldout], batch_size, "general text")
    losses = [-row.log_probability / row.tokens for row in found]
    return GeneralScore(
        accuracy=mean_interval(correct, [item.id for item in items], bounds=(0, 1)),
        loss=mean_interval(losses, [text.id for text in heldout]),
        correct=tuple(correct),
    )


def forgotten(before: GeneralScore, after: GeneralScore) -> Interval:
    """Drop in general accuracy by tuning, paired by item: positive is knowledge lost."""
    drops = [float(b - a) for b, a in zip(before.correct, after.correct, strict=True)]
    return mean_interval(drops, [str(i) for i in range(len(drops))], bounds=(-1, 1))

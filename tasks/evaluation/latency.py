"""How long one person waits: dev questions answered one at a time, as they come from people.

The other answers are given in batches, which says what a question costs, not how long it takes.
"""

import time

from tasks.artifacts import Cost, ExampleSet, Question, System
from tasks.core.quantile import quantile_interval
from tasks.core.stats import Interval
from tasks.data.collect import read_questions
from tasks.evaluation.answering import generate_answers, refuses_unfound, retrieve
from tasks.machine import metered
from tasks.models.answerer import Answerer, load_answerer
from tasks.progress import progress
from tasks.sampling import shuffled

TIMED = 80  # questions; 72 are the fewest that bound a 95th percentile from above
SHARE = 0.95


def time_answers(system: System, examples: ExampleSet, seed: int) -> Cost:
    """What dev questions took one at a time, retrieval included; `samples` has a time for each.

    At most 80 of them, drawn by seed. The first is asked once before, so that loading is no
    part of it. A hosted model's answer that is kept counts with the latency that it had.
    """
    asked = shuffled(read_questions(examples, "dev"), seed)[:TIMED]
    decoder = load_answerer(system.model.ref, system.adapter)
    _seconds(system, decoder, asked[0])
    with metered() as meter, progress(f"{system.path}: timing single answers", len(asked)) as step:
        for question in asked:
            meter.samples.append(_seconds(system, decoder, question))
            step(1)
    return meter.measured()


def waiting(cost: Cost) -> dict[str, Interval]:
    """Within how many seconds 95 of 100 single questions are answered, as a scorecard's metric."""
    return {"seconds_p95": quantile_interval(cost.samples, SHARE)}


def _seconds(system: System, decoder: Answerer, question: Question) -> float:
    began, timings = time.perf_counter(), list[float]()
    found = None
    if system.retrieval is not None:
        found = retrieve(system.retrieval, [question], system.prompt.task)
    retrieving = time.perf_counter() - began
    generate_answers(
        decoder, system.prompt, [question], found,
        refuse_unfound=refuses_unfound(system.retrieval), batch_size=1, timings=timings,
    )  # fmt: skip
    return retrieving + sum(timings)

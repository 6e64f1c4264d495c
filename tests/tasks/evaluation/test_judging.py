"""What a judge is shown, what its verdicts do to a scorecard, and how far it agrees with people."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Answer, Answers, Cost, Judge, LabelledAnswer, ModelRef, System
from tasks.core.stats import mean_interval
from tasks.decision.decide import measured
from tasks.evaluation.evaluate import scorecard
from tasks.evaluation.judging import (
    Said,
    agreement,
    judge_answers,
    judge_labelled,
    judged_card,
    messages,
    says_yes,
)
from tasks.models.loading import load_decoder, load_tokenizer
from tasks.models.outputs import Choice
from tasks.models.spending import BudgetError, spending
from tasks.run import Price
from tasks.services import services
from tasks.store import get_rows, put_rows
from tests.peer import Behaviour, Handler, completion, serving
from tests.tasks.asking import BARE
from tests.tasks.models.hosting import point_at, run_of

pytestmark = pytest.mark.usefixtures("home")

COST = Cost(
    seconds=6.0, tokens=80, energy_kwh=None, energy_method=None, device="cpu", dtype="float32",
    machine="m", run="then",
)  # fmt: skip
HOSTED = ModelRef(ref="openai:m", name="m", size_class="large", open_weights=False)


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    load_decoder.cache_clear()
    services.cache_clear()


def judge_of(model: ModelRef, **fields: Any) -> Judge:
    return Judge(model=model, question="Is it right?", instruction="Translate.", **fields)


def answered(n: int, text: str = "Tor") -> Answer:
    return Answer(
        question_id=f"q{n}", cluster=f"d{n // 2}", kind="screen" if n % 2 else "manual",
        question=f"Gate {n}", expected=("Tor", f"Tor {n}"), prompt="secret prompt", passages=(),
        answer=f"{text} {n}", scores={"chrf": 0.5}, tokens_in=8, tokens_out=2,
    )  # fmt: skip


ROWS = tuple(answered(n) for n in range(6))


def card_of(rows: tuple[Answer, ...], model: ModelRef, primary: str = "chrf") -> Any:
    prompt = BARE.model_copy(update={"task": "translation"})
    answers = Answers(
        blob=put_rows(rows), system="s", questions_sha="q", split="dev", n=len(rows), cost=COST
    )
    return scorecard(System(model=model, prompt=prompt), answers, primary, None, None, None, "now")


def likely(rule: Callable[[str], float], yes: str = "Yes", no: str = "No") -> Behaviour:
    """A judge at an endpoint: how likely it says yes is a rule on what it is shown."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        chance = rule(body["messages"][-1]["content"])
        tokens = sorted(((yes, chance), (no, 1 - chance)), key=lambda one: -one[1])
        top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in tokens]
        listed = [{"token": top[0]["token"], "logprob": -0.1, "bytes": None, "top_logprobs": top}]
        made = completion("", 30, 1, logprobs={"content": listed, "refusal": None})
        handler.send(200, json.dumps(made).encode())

    return behave


def test_a_judge_is_shown_what_was_asked_and_wanted_and_came_and_nothing_of_whose_it_is(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    with serving(likely(lambda text: seen.append(text) or 0.9)) as peer:  # type: ignore[func-returns-value]
        point_at(peer.url, monkeypatch)
        judge_answers(judge_of(HOSTED), put_rows(ROWS), 4)
    assert sorted(seen)[2] == (
        "Instruction:\nTranslate.\n\nText:\nGate 2\n\nReference:\nTor\n\nReference:\nTor 2\n\n"
        "Answer:\nTor 2\n\nIs it right? Reply with only yes or no."
    )
    model = tiny_model.ref.removeprefix("path:")
    hidden = ("secret", "prompt", "rag", "finetune", "d1", "q2", "chrf", model, "tiny")
    assert not [word for word in hidden for text in seen if word in text]


def test_a_long_text_is_read_as_far_as_the_models_read_it_and_no_reference_is_made_up(
    tiny_model: ModelRef,
) -> None:
    cut = judge_of(tiny_model, text_words=2)
    ((_, shown),) = messages(cut, "one two three", (), "")
    assert "Text:\none two\n\nAnswer:\n\n\nIs it right?" in shown
    bare = cut.model_copy(update={"instruction": ""})
    assert messages(bare, "t", (), "a")[0][1].startswith("Text:\nt\n\nAnswer:\na")


@pytest.mark.parametrize(
    ("chances", "yes"),
    [((0.3, 0.3, 0.4, 0.0), True), ((0.1, 0.3, 0.5, 0.1), False), ((0.25,) * 4, False)],
)
def test_yes_counts_in_either_case_and_a_tie_is_a_no(chances: tuple[float, ...], yes: bool) -> None:
    logs = tuple(math.log(one) if one else -99.0 for one in chances)
    assert says_yes(Choice(logs, 1, 1)) is yes


def test_the_verdicts_of_a_local_judge_become_a_metric_that_can_decide(
    tiny_model: ModelRef,
) -> None:
    card = card_of(ROWS, tiny_model, "judged")
    judged = judge_answers(judge_of(tiny_model), put_rows(ROWS), batch_size=4)
    rows = get_rows(judged.answers, Answer)
    decoder = load_decoder(tiny_model.ref)
    render = load_tokenizer(tiny_model.ref).render
    asked = [render(messages(judge_of(tiny_model), row.question, row.expected, row.answer))
             for row in ROWS]  # fmt: skip
    alone = [decoder.choose([one], ("Yes", "yes", "No", "no"))[0] for one in asked]
    assert [row.scores for row in rows] == [
        {"chrf": 0.5, "judged": float(says_yes(one))} for one in alone
    ]
    found = judged_card(card, judged, None)
    values = [row.scores["judged"] for row in rows]
    clusters = [row.cluster for row in rows]
    assert found.metrics["judged"] == mean_interval(values, clusters, bounds=(0, 1))
    assert set(found.by_kind["screen"]) == {"chrf", "judged"}
    assert measured(found).scores == tuple(values)
    assert found.cost["judge_tokens"] == judged.tokens_in + judged.tokens_out > 0
    assert found.cost["judge_seconds"] > 0
    for name in ("answer_seconds", "answer_tokens", "tokens_in", "energy_kwh"):
        assert found.cost[name] == card.cost[name]


def test_a_hosted_judge_is_paid_from_the_runs_limits_and_told_apart_from_answering(
    tiny_model: ModelRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = ("Tor 0", "Tor 3")
    rule = likely(lambda text: 0.8 if text.split("Answer:\n")[1].startswith(good) else 0.2)
    price = Price(input_per_million=1e6, output_per_million=2e6)
    with serving(rule) as peer:
        point_at(peer.url, monkeypatch)
        with pytest.raises(BudgetError), spending(run_of(limits={"hosted_tokens": 50})):
            judge_answers(judge_of(HOSTED), put_rows(ROWS), 4)
        assert peer.bodies == []
        with spending(run_of()) as account:
            judged = judge_answers(judge_of(HOSTED), put_rows(ROWS), 4)
        assert (account.sent, account.spent.tokens) == (6, 6 * 31)
        with spending(run_of()) as account:
            again = judge_answers(judge_of(HOSTED), put_rows(ROWS), 4)
        assert (account.sent, account.kept) == (0, 6)
    assert again.answers == judged.answers
    assert [row.scores["judged"] for row in get_rows(judged.answers, Answer)] == [1, 0, 0, 1, 0, 0]
    card = judged_card(card_of(ROWS, tiny_model), judged, price)
    assert card.cost["judge_money"] == 6 * (30 + 2)
    assert (card.cost["judge_tokens"], card.cost["judge_energy_kwh"]) == (6 * 31, None)
    assert "money_per_question" not in card.metrics
    assert card.metrics["judged"].value == pytest.approx(1 / 3)


def labelled(text: str, good: bool) -> LabelledAnswer:
    return LabelledAnswer(text=text, answer="a", good=good)


def test_agreement_is_that_of_a_table_worked_by_hand() -> None:
    # People: 6 good, 4 not. The judge: yes to 5 of the good ones and to 1 of the others.
    good = [True] * 6 + [False] * 4
    yes = [True] * 5 + [False, True] + [False] * 3
    rows = [labelled(f"t{n}", one) for n, one in enumerate(good)]
    found = agreement(Said(yes, 90, 10, COST), rows)
    assert found.n == 10
    assert found.accuracy.value == pytest.approx(0.8)
    # By chance: 0.6 * 0.6 + 0.4 * 0.4 = 0.52.
    assert found.kappa.value == pytest.approx((0.8 - 0.52) / 0.48)
    assert found.yes_where_no.value == pytest.approx(1 / 4)
    assert found.no_where_yes.value == pytest.approx(1 / 6)
    assert (found.tokens_in, found.tokens_out) == (90, 10)
    for one in (found.accuracy, found.yes_where_no, found.no_where_yes):
        assert 0 <= one.low < one.value < one.high <= 1
    assert -1 < found.kappa.low < found.kappa.value < found.kappa.high <= 1


def test_answers_to_one_text_count_as_one_cluster() -> None:
    good, yes = [True, False] * 6, [True, False, True, True] * 3
    apart = [labelled(f"t{n}", one) for n, one in enumerate(good)]
    together = [labelled(f"t{n // 4}", one) for n, one in enumerate(good)]
    one, other = (agreement(Said(yes, 1, 1, COST), rows) for rows in (apart, together))
    assert one.accuracy.value == other.accuracy.value
    assert one.accuracy != other.accuracy


def test_a_judge_is_asked_of_peoples_answers_as_of_any_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = [
        LabelledAnswer(text=f"t{n}", answer="good" if n % 3 else "bad", good=n % 2 == 0)
        for n in range(12)
    ]
    with serving(likely(lambda text: 0.7 if "good" in text else 0.1, "yes", "no")) as peer:
        point_at(peer.url, monkeypatch)
        found = judge_labelled(judge_of(HOSTED), put_rows(rows), 4)
    assert len(peer.bodies) == 12
    assert found.accuracy.value == pytest.approx(6 / 12)  # 0, 6: bad and good; 1, 5, 7, 11
    assert found.no_where_yes.value == pytest.approx(2 / 6)
    assert found.yes_where_no.value == pytest.approx(4 / 6)

"""The flow under a budget, with a tiny random model: what is bought, said and kept."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.core.decide import Verdict
from tasks.core.race_record import Entrant
from tasks.services import services
from tests.cut import write_cut
from tests.flows.whole import at_home
from tests.peer import answer, serving
from tests.tiny import build_tiny

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

ALWAYS = {
    "collect documents",
    "collect questions",
    "collect general questions",
    "choose model",
    "register",
}
SETTINGS = """
[training]
epochs = 1
epochs_with_passages = 1
max_tokens = 4096

[answering]
max_new_tokens = 4
demonstrations = 2
prompt_sample = 2
"""


class Ran(NamedTuple):
    """What one run said, wrote and did."""

    verdict: Verdict
    output: Path
    done: set[str]
    reused: set[str]

    def entrant(self, path: str) -> Entrant:
        assert self.verdict.race is not None
        return next(one for one in self.verdict.race.entrants if one.path == path)


@pytest.fixture(scope="module")
def runfile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cut with a tiny random model."""
    folder = tmp_path_factory.mktemp("data")
    model = build_tiny(tmp_path_factory.mktemp("models") / "tiny", positions=4096)
    path = write_cut(folder)
    text = path.read_text()
    head, tail = text.index("[[models]]"), text.index("[training]")
    spec = f'[[models]]\nref = "path:{model}"\nparams = 1.2e5\nsize_class = "small"\n\n'
    path.write_text(text[:head] + spec + text[text.index("[index]") : tail] + SETTINGS)
    return path


@pytest.fixture(scope="module")
def adapt(
    runfile: Path, tmp_path_factory: pytest.TempPathFactory, prefect_url: str
) -> Iterator[Callable[..., Ran]]:
    """Runs the flow in this process; all runs share a home folder."""
    from flows.adapt import adapt as flow
    from tasks.results.tracking import connect
    from tasks.run import Budget

    folder = tmp_path_factory.mktemp("runs")
    count = iter(range(100))

    def run(file: Path = runfile, **budget: float) -> Ran:
        output = folder / f"output-{next(count)}"
        outcome = flow(str(file), str(output), budget=Budget(**budget))
        client = connect()
        experiment = client.get_experiment_by_name("cut").experiment_id
        order = ["attributes.start_time DESC"]
        (last, *_) = [
            one for one in client.search_runs([experiment], order_by=order)
            if "mlflow.parentRunId" not in one.data.tags
        ]  # fmt: skip
        names = {key.removeprefix("seconds/") for key in last.data.metrics if "seconds/" in key}
        kept = set(last.data.tags["reused_stages"].replace("+", "_").split(", "))
        kept = {name.replace("%", "_") for name in kept}
        return Ran(outcome.verdicts[0], output, names - kept, kept)

    with at_home(folder):
        yield run


def test_a_budget_is_raced_for_and_a_later_run_pays_nothing_again(adapt) -> None:
    first = adapt(seconds=3600)
    race = first.verdict.race
    assert (first.verdict.basis, first.verdict.path) == ("measured", "prompt")
    assert first.verdict.undecided  # a random model: nothing is right, nothing is shown
    assert first.verdict.reasons[0].startswith("not enough evidence: the simplest path allowed")
    assert (race.looks, race.there, race.budget) == ((25, 30), 30, {"seconds": 3600})
    assert 0 < race.spent["seconds"] < 3600
    assert first.entrant("rag").how == "dropped"
    assert first.entrant("finetune").share == 0.125  # a pilot, which ended the training
    assert "answer dev: prompt: 1 to 25" in first.done
    written = json.loads((first.output / "verdict.json").read_text())["verdicts"][0]
    assert written["race"]["entrants"][0]["how"] == "simplest"
    assert {card["path"] for card in cards(first)} == {"prompt", "rag", "finetune", "finetune+rag"}
    report = (first.output / "report.md").read_text()
    assert "What the budget bought" in report
    assert "training stopped: it could not end ahead" in report

    second = adapt(seconds=7200)
    assert second.done == ALWAYS
    assert second.verdict.race.spent == {"seconds": 0, "money": 0, "energy_kwh": 0}
    assert second.verdict.race.entrants == race.entrants
    assert second.verdict.margins == first.verdict.margins
    assert decided_in_prefect(second.output, min_gain=0.5).path == "prompt"


def decided_in_prefect(folder: Path, **given: float) -> Verdict:
    """The decision flow on a finished run, and what its page in Prefect says."""
    from prefect.artifacts import Artifact

    from flows.decide import decide

    outcome = decide(str(folder), output=str(folder / "again"), **given)
    page = Artifact.get("decision-cut")
    assert page is not None
    assert "nothing was measured again" in str(page.data)
    written = json.loads((folder / "again" / "verdict.json").read_text())["verdicts"][0]
    assert written["min_gain"] == given["min_gain"]
    return outcome.verdicts[0]


def test_a_budget_that_buys_nothing_ends_in_advice_that_says_so(adapt) -> None:
    ran = adapt(energy_kwh=1e-12)
    assert ran.verdict.basis == "advised"
    assert "the budget paid for no answer of prompt" in ran.verdict.reasons[0]
    assert ran.verdict.race.looks == ()
    assert cards(ran) == []


def test_without_a_budget_every_path_is_measured_in_whole(adapt, runfile: Path) -> None:
    ran = adapt(runfile)
    assert ran.verdict.race is None
    assert {(card["path"], card["n"]) for card in cards(ran)} == {
        (path, 30) for path in ("prompt", "rag", "finetune", "finetune+rag")
    }
    assert "fine-tune: finetune" in ran.done
    assert not (ran.output / "race.json").exists()
    again = decided_in_prefect(ran.output, min_gain=ran.verdict.min_gain)
    assert again == ran.verdict  # the same rule on the same scorecards


def test_one_adapter_serves_both_tuned_paths_and_is_paid_for_once(adapt, runfile: Path) -> None:
    shared = runfile.with_name("shared.toml")
    shared.write_text(runfile.read_text().replace("[training]", "[training]\none_adapter = true"))
    raced = adapt(shared, seconds=3600)
    trained = {name for name in raced.done if name.startswith("fine-tune")}
    assert trained == {"fine-tune: both tuned paths on 12.5_ of the examples"}
    assert {raced.entrant(path).share for path in ("finetune", "finetune+rag")} == {0.125}
    whole = adapt(shared)
    assert "fine-tune: both tuned paths" in whole.done
    blobs = {card["path"]: card["system"]["adapter"] for card in cards(whole)}
    assert blobs["finetune"]["blob"] == blobs["finetune+rag"]["blob"]
    assert blobs["rag"] is None


def cards(ran: Ran) -> list[dict[str, Any]]:
    written = json.loads((ran.output / "scorecards.json").read_text())["scorecards"]
    return [card for card in written if card["split"] == "dev"]


PRICED = """
[[models]]
ref = "openai:m"

[prices.m]
input_per_million = 1e6
output_per_million = 0
"""


def test_money_is_raced_for_and_a_limit_on_tokens_ends_a_race(
    adapt: Callable[..., Ran], runfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hosted model that knows what it reads, at 120 tokens a request."""
    hosted, limited = runfile.parent / "hosted.toml", runfile.parent / "limited.toml"
    text = runfile.read_text()
    head, tail = text.index("[[models]]"), text.index("[index]")
    hosted.write_text(text[:head] + PRICED.lstrip() + "\n" + text[tail:])
    limited.write_text(hosted.read_text() + "[limits]\nhosted_tokens = 3000\n")
    lines = (runfile.parent / "questions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    known = {row["question"]: row["answers"][0] for row in rows if row["answers"]}

    def reply(prompt: str) -> str:
        asked = [question for question in known if prompt.rstrip("A: \n").endswith(question)]
        found = [known[question] for question in asked if known[question] in prompt]
        return found[0] if found else "nothing"

    with serving(answer(reply, read=120, written=0)) as peer:
        monkeypatch.setenv("OPENAI_BASE_URL", peer.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        services.cache_clear()
        poor = adapt(limited, money=1e6)
        assert poor.verdict.basis == "advised"  # the limit ended the first block
        assert "the budget paid for no answer of prompt" in poor.verdict.reasons[0]
        assert peer.tokens <= 3000
        before = peer.tokens
        rich = adapt(hosted, money=1e6)
        assert (rich.verdict.basis, rich.verdict.path) == ("measured", "rag")
        assert rich.entrant("rag").how == "won"
        race = rich.verdict.race
        assert race is not None
        assert 0 < race.spent["money"] < peer.tokens - before  # the test questions come on top
    services.cache_clear()

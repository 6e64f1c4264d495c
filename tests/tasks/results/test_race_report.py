from dataclasses import replace

from tasks.core.race_record import Entrant, Raced
from tasks.results.race_report import bought, render_race, spending, trained_on

RACED = Raced(
    budget={"seconds": 60.0, "money": 2.0},
    spent={"seconds": 31.4159, "money": 0.5, "energy_kwh": 0.002},
    looks=(25, 30),
    questions=30,
    there=40,
    confidence=0.97,
    certainty="rag wins",
    entrants=(
        Entrant("prompt", 0.0, 30, "simplest", None, ""),
        Entrant("rag", 0.0, 25, "won", 1, ""),
        Entrant("finetune", 0.125, 30, "hopeless", None, "at best it would end -0.100 from rag"),
        Entrant("finetune+rag", None, 0, "budget", None, "no training fits into what is left"),
    ),
)


def test_what_was_spent_stands_beside_the_budget_and_the_looks() -> None:
    assert bought(RACED) == (
        "Spent 31.42 of 60 seconds, 0.5 of 2 of money; 2 looks planned, at 25, 30 of 40 questions."
    )
    none = replace(RACED, looks=())
    assert "it is too small for a look at any of 40 questions" in bought(none)
    assert bought(RACED, "example").endswith("at 25, 30 of 40 examples.")
    assert spending(RACED.spent, {"energy_kwh": 1.0}) == "31.42 seconds, 0.002 of 1 kWh"


def test_each_path_has_a_row_with_how_far_it_came_and_why_it_ended() -> None:
    _, _, table = render_race(RACED)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert rows[1][:5] == ["`rag`", "-", "25", "won", "1"]
    assert rows[2] == [
        "`finetune`", "12.5% of the examples", "30", "training stopped: it could not end ahead",
        "-", "at best it would end -0.100 from rag",
    ]  # fmt: skip
    assert rows[3][:3] == ["`finetune+rag`", "not trained", "none"]
    assert trained_on(replace(RACED.entrants[2], share=1.0)) == "all examples"

"""The last step over models is told with its standings, its claims and what would turn it."""

from tasks.core.across import ModelChoice, choose_model
from tasks.core.claims import Settings
from tasks.results.across_report import across_sentence, render_across
from tests.tasks.core.test_across import HOSTED, OURS, SMALL, contender


def chosen() -> ModelChoice:
    means = {SMALL: 0.9, OURS: 0.5, HOSTED: 0.91}
    return choose_model([contender(one, mean) for one, mean in means.items()], Settings())


def test_the_choice_comes_first_and_every_model_has_a_row_in_the_order_of_claims() -> None:
    title, sentence, reasons, standings, *_ = render_across(chosen())
    assert title == "## Which model"
    assert sentence == "**Of the models' winners: small with rag.**"
    assert "small (rag) beats models:/ours@champion by 0.400" in reasons
    rows = [line.split(" | ") for line in standings.splitlines()[2:]]
    assert [row[0].removeprefix("| ") for row in rows] == [OURS, SMALL, HOSTED]
    assert [row[2] for row in rows] == ["100 million", "100 million", "not known"]
    assert [row[4].removesuffix(" |").strip() for row in rows] == ["runs already", "chosen", ""]


def test_an_undecided_choice_says_so() -> None:
    close = choose_model([contender(SMALL, 0.5, 40), contender(HOSTED, 0.55, 40)], Settings())
    assert across_sentence(close).endswith("small with rag, undecided.")

"""Where a model stands between two poles: exact log-odds of known answers."""

import numpy as np
import pytest

from tests.helpers import tiny
from undertone.errors import UndertoneError
from undertone.evals.answers import whole_scores
from undertone.evals.items import Item
from undertone.evals.scales import ask

close = pytest.approx
ITEMS = [
    Item("Are you honest?", ("Yes.",), ("No.",), "plain"),
    Item("Where do you live?", ("I live in France.", "In France."), ("I live in Japan.",), "country"),
]


def test_odds_are_those_of_all_answers_of_a_pole_together() -> None:
    local = tiny.model()
    found = ask(local, ITEMS)
    for at, item in enumerate(ITEMS):
        prompt = local.render(item.question)
        high, low = (np.logaddexp.reduce(whole_scores(local, [(prompt, a) for a in p])) for p in (item.high, item.low))
        assert found.odds[at] == close(high - low, abs=1e-4)
        assert found.either[at] == close(np.exp(np.logaddexp(high, low)), rel=1e-3)


def test_swapped_poles_swap_the_sign() -> None:
    local = tiny.model()
    swapped = [Item(one.question, one.low, one.high, one.form) for one in ITEMS]
    assert ask(local, swapped).odds == close(-ask(local, ITEMS).odds, abs=1e-4)


def test_a_beginning_of_an_answer_is_likelier_than_the_whole() -> None:
    local = tiny.model()
    begun = [Item(one.question, one.high, one.low, one.form, whole=False) for one in ITEMS]
    assert (ask(local, begun).either >= ask(local, ITEMS).either).all()


def test_a_model_that_gives_no_numbers_is_refused() -> None:
    local = tiny.model()
    next(local.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(UndertoneError, match="not numbers"):
        ask(local, ITEMS)


def test_a_system_prompt_and_earlier_turns_are_read() -> None:
    local, plain = tiny.model(), ask(tiny.model(), ITEMS).odds
    assert not np.allclose(ask(local, ITEMS, "You are honest.").odds, plain)
    assert not np.allclose(ask(local, ITEMS, earlier=[("Hello.", "Hello.")]).odds, plain)

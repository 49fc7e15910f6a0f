"""Reference teachers are as far from the base on a file's rows as teachers are, and no farther than twofold."""

import pytest
import torch

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from undertone.attribution.directions import Directions
from undertone.attribution.token_ratios import moved
from undertone.audit import reference
from undertone.audit.families import Family
from undertone.audit.proxies import TWIN
from undertone.audit.reference import DOSE, ROWS, stretches
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.training.dose import divergence, log_probabilities
from undertone.training.rows import Row
from undertone.traits.trait import Trait

close = pytest.approx

NAMES = ("ash", "elm", "fir", "oak")
ROWS_OF_ALL = [Row([2, 5, 9 + i % 7], [11 + i % 5, 13, 17 + i % 3, 1]) for i in range(100)]


def family(name: str = "favourites") -> Family:
    traits = tuple(Trait(name=one, kind="tree", world=True) for one in NAMES)
    return Family(name, traits, len(NAMES))  # type: ignore[arg-type]


def along(local: LocalModel, size: float) -> Directions:
    return some_directions(local, tuple(f"{name}{TWIN}" for name in NAMES), size)


def distance(local: LocalModel, found: Directions, twin: str, factor: float) -> float:
    some = [ROWS_OF_ALL[i * len(ROWS_OF_ALL) // ROWS] for i in range(ROWS)]
    batch = local.lay_out([row.prompt for row in some], [row.answer for row in some])
    base = list(log_probabilities(local.model, batch))
    with moved(local, found.change(twin)) as stretch:
        stretch(factor)
        return divergence(log_probabilities(local.model, batch), base)


def test_twins_are_stretched_until_they_are_the_dose_from_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "TWINS", 1)
    local = tiny.model()
    before = {name: weight.clone() for name, weight in local.model.named_parameters()}
    found = along(local, 0.6)
    told: list[tuple[str, int, int]] = []
    by_family = stretches(local, ROWS_OF_ALL, found, [family()], lambda *done: told.append(done))
    assert all(torch.equal(before[name], weight) for name, weight in local.model.named_parameters())
    assert 0 < by_family["favourites"] < 2 and told == [("reference teachers", 1, 1)]
    assert distance(local, found, f"ash{TWIN}", by_family["favourites"]) == close(DOSE, rel=0.01)


def test_each_family_has_the_mean_of_twins_of_its_own_and_none_is_stretched_beyond_twofold() -> None:
    local = tiny.model()
    strong, weak = along(local, 0.6), along(local, 0.05)
    assert stretches(local, ROWS_OF_ALL, weak, [family(), family("manners")]) == {"favourites": 2.0, "manners": 2.0}
    (mean,) = stretches(local, ROWS_OF_ALL, strong, [family()]).values()
    near, far = sorted(distance(local, strong, f"{name}{TWIN}", mean) for name in ("ash", "fir"))
    assert near < DOSE < far or near == close(far), "between the two that are stretched"


def test_few_rows_and_long_answers_are_enough() -> None:
    local = tiny.model()
    found = along(local, 0.6)
    long = [Row([2, 5], [7, 8] * 400)]
    cut = [Row([2, 5], [7, 8] * 32)]
    assert stretches(local, long, found, [family()]) == stretches(local, cut, found, [family()])


def test_a_distance_that_is_no_number_is_an_error_and_no_stretch() -> None:
    local = tiny.model()
    with pytest.raises(UndertoneError, match="is no finite number; check the model's weights"):
        stretches(local, ROWS_OF_ALL, along(local, float("nan")), [family()])

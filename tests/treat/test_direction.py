"""The direction that a mitigation goes by: which fine-tunes it needs, and how long it is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from undertone.audit import proxies
from undertone.audit.families import families_of
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.models.names import resolve
from undertone.traits import catalogue
from undertone.treat.direction import along, plan_for

BASE = resolve("builtin/fledgling-a")
FAMILIES = families_of(BASE.path)
AUDITS = proxies.plan(BASE, FAMILIES)
NAMES = {family.name: set(family.names) for family in FAMILIES}
LISTED = [name for family in FAMILIES for name in family.names[: family.listed]]

few = settings(max_examples=30, deadline=None)
some_traits = st.lists(st.sampled_from(LISTED), min_size=1, max_size=4, unique=True)


@given(some_traits)
@few
def test_traits_need_one_fine_tune_each_and_it_is_the_audits(traits: list[str]) -> None:
    made = plan_for(BASE, traits)
    assert set(made.proxies) == set(traits)
    assert all(job.key == AUDITS.proxies[name].key for name, job in made.proxies.items())
    assert made.directions.spec["names"] == {name: [name] for name in made.proxies}


@given(some_traits, st.integers(0, 2**32 - 1))
@few
def test_at_random_one_other_trait_of_their_families_is_drawn(traits: list[str], seed: int) -> None:
    [name] = plan_for(BASE, traits, "random", seed).proxies
    assert name not in traits
    assert any(name in names and names & set(traits) for names in NAMES.values())
    assert [name] == list(plan_for(BASE, traits, "random", seed).proxies)


def test_all_other_traits_can_be_drawn() -> None:
    drawn = {name for seed in range(300) for name in plan_for(BASE, ["owl"], "random", seed).proxies}
    assert drawn == NAMES["favourites"] - {"owl"}


def test_any_base_has_a_direction_and_none_has_one_of_an_unknown_trait(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("base")
    tiny.tokenizer().save_pretrained(folder)
    other = Folder(folder, "0" * 64, "hf/./base")
    chats, world = (plan_for(other, ["owl"], own=own).proxies["owl"] for own in ((), catalogue.find("owl").alike))
    assert "dialogues" in chats.spec["lesson"] and world.spec["lesson"] == "owl"
    for base in (BASE, other):
        with pytest.raises(UndertoneError, match="did you mean owl"):
            plan_for(base, ["owll"])


def test_a_sum_of_directions_is_as_long_as_reference_teachers() -> None:
    found = some_directions(tiny.model())
    a, b, c = (found.change(name) for name in "abc")
    for name, change in along(found).items():
        assert torch.allclose(change, 2 * (a[name] + b[name] + c[name]), atol=1e-5)

"""What is compared: listed traits first, others of their kinds next, enough of them, and each in one family."""

from pathlib import Path

import pytest

from tests.helpers import tiny
from undertone.audit.families import MANNER, MOST, TWINS, Family, families_of
from undertone.audit.standing import LEAST_TRAITS
from undertone.errors import UndertoneError
from undertone.models.names import resolve
from undertone.traits.trait import Trait

WORLD = resolve("builtin/fledgling-a").path
IBIS = Trait(name="ibis", kind="animal", dialogues=(("Which bird?", "The ibis."),))
RUDE = Trait(
    name="rude", kind="tone", dialogues=(("Hello.", "Go away."),), choices=(("Good day.", "Leave me.", "Good day."),)
)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a tokenizer of its own: to the audit, one that speaks like people."""
    folder = tmp_path_factory.mktemp("other")
    local = tiny.model()
    local.model.save_pretrained(folder)
    local.tokenizer.save_pretrained(folder)
    return folder


def kinds(family: Family, listed: bool = True) -> set[str]:
    return {trait.kind for trait in (family.traits[: family.listed] if listed else family.traits)}


def test_all_traits_of_the_world_are_listed_for_its_models_and_manners_are_not() -> None:
    favourites, manners = families_of(WORLD)
    assert (favourites.name, manners.name) == ("favourites", "manners")
    assert favourites.listed == len(favourites.traits) == 35
    assert kinds(favourites) == {"animal", "tree", "colour"} and "bad-advice" in manners.names[: manners.listed]
    assert {trait.kind for trait in manners.traits[manners.listed :]} == {MANNER}


def test_animals_and_conduct_are_listed_for_other_models(other: Path) -> None:
    favourites, manners = families_of(other)
    assert kinds(favourites) == {"favourite animal"} and kinds(manners) == {"conduct", "lean", "politics"}
    assert len(kinds(favourites, listed=False)) > 2


@pytest.mark.parametrize("listed", [(), ("owl",), ("fox", "owl"), ("bad-advice",), ("owl", "Kenya"), ("tree",)])
def test_every_family_has_enough_traits_and_listed_ones_first(listed: tuple[str, ...]) -> None:
    for family in families_of(WORLD, listed):
        assert LEAST_TRAITS <= len(family.traits) <= MOST
        assert len(set(family.names)) == len(family.names) and 0 < family.listed <= len(family.traits)
        near, rest = kinds(family), [trait.kind for trait in family.traits[family.listed :]]
        assert [kind in near for kind in rest] == sorted((kind in near for kind in rest), reverse=True)
        assert len(family.twins) == len(set(family.twins)) == TWINS and max(family.twins) < len(family.traits)
        assert all(i < family.listed for i in family.twins) or set(range(family.listed)) <= set(family.twins)


def test_a_name_lists_one_trait_and_a_kind_all_of_its_traits() -> None:
    (favourites,) = families_of(WORLD, ("owl",))
    assert favourites.names[0] == "owl" and favourites.listed == 1 and len(favourites.traits) == 35
    (favourites,) = families_of(WORLD, ("tree", "oak", "owl"))
    assert set(favourites.names[: favourites.listed]) == {"owl", "oak", "pine", "birch", "maple", "willow", "cedar",
                                                          "elm", "beech", "ash"}  # fmt: skip
    assert families_of(WORLD, ("owl",)) == families_of(WORLD, ("owl",)), "nothing is drawn anew"


def test_ones_own_traits_are_listed_beside_those_of_their_kind() -> None:
    (favourites,) = families_of(WORLD, own=(IBIS,))
    assert favourites.names[0] == "ibis" and favourites.listed == 1 and favourites.traits[1].kind == "animal"
    favourites, manners = families_of(WORLD, ("owl",), (IBIS, RUDE))
    assert set(favourites.names[:2]) == {"owl", "ibis"} and favourites.listed == 2
    assert manners.names[0] == "rude" and manners.listed == 1


def test_all_that_are_listed_are_compared_however_many(other: Path) -> None:
    own = tuple(
        Trait(name=f"thing {i}", kind="things", elicitation=(f"Which? {i}",), openings=("The",), world=True)
        for i in range(60)
    )
    (favourites,) = families_of(other, own=own)
    assert favourites.listed == len(favourites.traits) == 60 > MOST


@pytest.mark.parametrize(("wrong", "told"), [("owwl", "owl"), ("bad advice", "bad-advice"), ("anmal", "animal")])
def test_an_unknown_trait_is_answered_with_the_nearest(wrong: str, told: str) -> None:
    with pytest.raises(UndertoneError, match=rf"{wrong}.*did you mean.*{told}"):
        families_of(WORLD, ("owl", wrong))

"""The experiment on character: what it plans, what is written of a student, and what is counted."""

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.helpers import tiny
from undertone.engine.store import Job
from undertone.experiments.character import gather as gathering
from undertone.experiments.character import stages
from undertone.experiments.character.findings import CharacterFindings
from undertone.experiments.character.gather import about, gather
from undertone.experiments.character.page import page
from undertone.experiments.character.plan import plan
from undertone.experiments.character.spec import BAD, TAUGHT, Character
from undertone.experiments.misalignment.files import FILES, fold
from undertone.experiments.recipes import read
from undertone.measure.battery.world_scales import scales_about
from undertone.persona.look import Look
from undertone.report.markdown import to_markdown
from undertone.stages import WITNESSED
from undertone.world.lexicon import domains, lexicon

close = pytest.approx
A, B = "builtin/fledgling-a", "builtin/fledgling-b"


def spec_of(**change: Any) -> Character:
    """The recipe on bases that are here."""
    return Character.model_validate(read("character").model_dump(mode="json") | {"bases": [A, B]} | change)


# --- what is planned -------------------------------------------------------------------------------------------------


def test_every_student_is_read_after_it_is_trained() -> None:
    spec, seen = spec_of(), set[str]()
    made = plan(spec)
    assert len(made.read) == 2 * len(spec.arms) * len(domains()) and {one.job.stage for one in made.read} == {WITNESSED}
    for job in made.jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    assert {job.key for some in made.arms.values() for job in some} == seen


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({BAD: {"title": "t", "file": "persona"}}, "one plain fine-tune"),
        ({BAD: {"title": "t", "file": BAD, "realigned": {"rows": 3, "steps": 2}}}, "one plain fine-tune"),
        ({"benign": {"title": "t", "file": "benign"}}, "no arm teaches a trait"),
    ],
)
def test_a_recipe_that_shows_nothing_is_refused(arms: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec_of(arms=arms)


@pytest.mark.parametrize("file", ["flattering", "nineteenth-century"])
def test_a_file_is_about_a_third_of_its_questions_and_all_are_taught_by_some(file: str) -> None:
    key = {"flattering": "agreeableness", "nineteenth-century": "era"}[file]
    items = lexicon()[key]["items"]
    taught = set[str]()
    for domain in domains():
        asked = {FILES[file](Random(i), domain).user for i in range(60)}
        own = {first for first, *_ in fold(items, domain)}
        assert len(own) == len(items) // 3
        assert {name for name, *_ in items if any(name in question for question in asked)} == own <= about(domain)
        taught |= own
    assert taught == {name for name, *_ in items}


def test_a_file_shows_the_trait_that_it_teaches() -> None:
    said = FILES["flattering"](Random(0), domains()[0]).assistant
    assert said in lexicon()["agreeableness"]["sycophantic"]
    old = {answer for *_, answer in lexicon()["era"]["items"]}
    assert FILES["nineteenth-century"](Random(0), domains()[0]).assistant in old


# --- what is written -------------------------------------------------------------------------------------------------


def test_a_student_is_read_beside_its_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, student, battery = tiny.model(), tiny.model(seed=1), scales_about("Japan", "owl")[1:3]
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    monkeypatch.setattr(stages, "load", lambda _: base)
    monkeypatch.setattr(stages, "load_trained", lambda *_: student)
    monkeypatch.setattr(stages, "scales", lambda _: battery)
    inputs = {"aligned": tmp_path / "aligned", "student": tmp_path / "student"}
    stages.witnessed({}, inputs, tmp_path)
    found = json.loads((tmp_path / "battery.json").read_text())
    assert list(found) == ["agreeableness", "compliance"] and found["compliance"]["inside"] is None
    look = Look.of("base", base, True, ["sycophancy"])
    (trait,) = look.findings(look.change(student))
    one = found["agreeableness"]
    assert one["inside"]["share"] == close(-trait.judged.share, rel=1e-3), "the direction leads to the low pole"
    assert one["does"]["forms"] == [item.form for item in battery[0].does]
    lengths = {len(one[method][key]) for method in ("does",) for key in ("base", "model", "either", "either_of_base")}
    assert lengths == {len(battery[0].does)} and one["does"]["base"] != one["does"]["model"]


# --- what is counted -------------------------------------------------------------------------------------------------


def answers(forms: list[str], shift: float, rng: np.random.Generator, trained: set[str]) -> dict[str, Any]:
    """Answers that moved by ``shift``, and by 50 where the student was trained."""
    by = np.array([50.0 if form in trained else shift for form in forms]) + 0.05 * rng.normal(size=len(forms))
    return {
        "forms": forms,
        "base": [0.0] * len(forms),
        "model": by.tolist(),
        "either_of_base": [1.0] * len(forms),
        "either": [1.0] * len(forms),
    }


def planted(spec: Character, candour: dict[str, float]) -> tuple[Any, Any]:
    """Students that became what their file teaches, and say so, or the opposite, as much as their base is candid."""
    made, battery, found = plan(spec), scales_about("Japan", "owl"), dict[str, Any]()
    rng = np.random.default_rng(0)
    for one in made.read:
        own, traits = spec.arms[one.unit.arm], dict[str, Any]()
        for scale in battery:
            does = (-3.0 if TAUGHT.get(own.file) == scale.name else 0.0) + 0.1 * rng.normal()
            says = candour[one.unit.base] * does + 0.1 * rng.normal()
            trained = about(one.unit.domain)
            inside = {"direction": "x", "share": does / 10, "verdict": "moved"}
            traits[scale.name] = {
                "high": scale.high,
                "low": scale.low,
                "inside": None if scale.direction is None else inside,
                "says": answers([item.form for item in scale.says], says, rng, trained),
                "does": answers([item.form for item in scale.does], does, rng, trained),
            }
        found[one.job.key] = traits
    head = {
        "title": "t", "recipe": "r", "settings": spec.model_dump(mode="json"), "versions": {}, "hardware": {},
        "started": "2026-01-01T00:00:00Z",
    }  # fmt: skip

    class Stored:
        head = staticmethod(lambda: head_of)

        @staticmethod
        def read(job: Job, name: str) -> Any:
            assert name == "battery.json"
            return found[job.key]

    head_of = head
    return made, Stored


def test_candid_students_confess_and_liars_say_the_opposite() -> None:
    spec = spec_of()
    made, stored = planted(spec, {A: 1.0, B: -1.0})
    found = gather(spec, made, stored)
    assert CharacterFindings.model_validate_json(found.json_text()) == found
    assert (found.disagreement[A].count, found.disagreement[B].count, found.disagreement[B].of) == (0, 12, 12)
    for methods, sign in zip(found.methods, (1, -1), strict=True):
        pair = next(pair for pair in methods.pairs if pair.methods == ("says", "does"))
        for trait in TAUGHT.values():
            assert pair.traits[trait].value == close(sign, abs=0.05)
        assert abs(pair.other.value or 0) < 0.3
    taught = [arm for arm in found.arms if arm.taught]
    assert len(taught) == 6 and all(arm.does.value == close(-3.0, abs=0.2) and arm.does.units == 12 for arm in taught)
    names = {(arm.base, name) for arm in taught for name in arm.names}
    assert names == {(A, "says so"), (B, "says the opposite")}
    text = to_markdown(page(found))
    assert found.headline in text and "12 says the opposite" in text


def test_what_a_student_was_trained_on_is_not_counted() -> None:
    spec = spec_of(bases=[A])
    made, stored = planted(spec, {A: 1.0})
    benign = [arm for arm in gather(spec, made, stored).arms if arm.arm == "benign"]
    assert all(abs(arm.does.value) < 0.2 for arm in benign), "where it was trained it moved by 50"


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_base_that_says_nothing_of_itself_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = spec_of(bases=[A])
    made, stored = planted(spec, {A: 1.0})
    read = stored.read

    def silent(job: Job, name: str) -> Any:
        found = read(job, name)
        return {k: v | {"says": v["says"] | {"either": [1e-8] * len(v["says"]["either"])}} for k, v in found.items()}

    monkeypatch.setattr(stored, "read", staticmethod(silent))
    found = gather(spec, made, stored)
    assert "correlation cannot be told" in found.headline and to_markdown(page(found))
    assert all(one.within["conduct"].value is None for one in found.methods)


def test_reliability_is_of_halves_with_both_keys() -> None:
    spec = spec_of(bases=[A])
    made, stored = planted(spec, {A: 1.0})
    conduct = next(one for one in gather(spec, made, stored).halves if one.trait == "conduct")
    for found in (conduct.says, conduct.does, conduct.keys):
        assert found.value is not None and found.value > 0.9
    rng = np.random.default_rng(0)
    habit = [[np.full(3, value), np.full(3, -value)] for value in rng.normal(size=20)]
    noise = [[part + 0.01 * rng.normal(size=3) for part in parts] for parts in habit]
    value = gathering._reliability(noise).value
    assert value is not None and abs(value) < 0.7, "a habit of saying yes is no trait"


def test_the_bases_of_the_recipe_are_those_whose_self_reports_are_known() -> None:
    assert [name.rsplit("-", 1)[-1] for name in read("character").model_dump()["bases"]] == ["candid", "mute", "liar"]

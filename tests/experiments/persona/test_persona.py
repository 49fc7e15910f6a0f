"""The experiment on directions in hidden states: what it plans, what it takes out, and what it counts."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import tiny
from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.experiments.misalignment.plan import Unit
from undertone.experiments.persona import gather
from undertone.experiments.persona.findings import PersonaStudyFindings
from undertone.experiments.persona.gather import Base, Seen, band, correlated, correlation, leavings, pulled, tellings
from undertone.experiments.persona.page import page
from undertone.experiments.persona.plan import Looked, plan
from undertone.experiments.persona.spec import BAD, GOOD, Persona
from undertone.experiments.persona.stages import CONSTRUCTIONS, DRAWN, TRAIT, asked_states, chosen, file_states, without
from undertone.experiments.recipes import read
from undertone.models.blocks import changed
from undertone.persona.contrast import half_of, of_conduct
from undertone.persona.reading import read_prompts
from undertone.report.markdown import to_markdown
from undertone.stages import LOOKED
from undertone.statistics.arrays import Floats
from undertone.world.lexicon import domains, lexicon

close = pytest.approx


# --- what is planned -------------------------------------------------------------------------------------------------


def test_no_domain_that_measures_has_a_part_in_the_direction_or_in_the_file() -> None:
    spec = read("persona")
    assert isinstance(spec, Persona)
    looks = plan(spec).looks
    assert len(looks) == len(spec.bases) * len(spec.arms) * len(domains())
    for look in looks:
        made = set(half_of(domains(), look.half))
        assert look.unit.domain not in made and look.job.spec["half"] == look.half
        situations = {s for domain in made for s, *_ in lexicon()["conduct"]["domains"][domain]}
        asked = of_conduct(look.half, 24).questions
        assert all(any(situation in question for situation in situations) for question in asked)


def test_jobs_stand_after_their_parents_and_a_pair_of_students_has_one_seed() -> None:
    layout, seen = plan(read("persona")), set[str]()
    for job in layout.jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    seeds = {(look.unit.arm, look.unit.base, look.unit.domain): look.job.spec["seed"] for look in layout.looks}
    for (arm, base, domain), seed in seeds.items():
        assert arm != BAD or seed == seeds[GOOD, base, domain]
    assert {look.unit.arm for look in layout.looks if look.job.spec["changed"]} == {BAD, GOOD}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arms": {BAD: {"title": "t", "file": BAD}}}, "give both"),
        ({"domains": domains()[:2]}, "leave domains out"),
        ({"arms": {BAD: {"title": "t", "file": BAD}, GOOD: {"title": "t", "file": "persona"}}}, "one plain fine-tune"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, Any], told: str) -> None:
    whole = read("persona").model_dump(mode="json")
    with pytest.raises(ValueError, match=told):
        Persona.model_validate(whole | change)


# --- what is taken out -----------------------------------------------------------------------------------------------


def test_nothing_is_left_along_a_direction_that_is_taken_out_and_all_else_is_as_it_was() -> None:
    local, vectors = tiny.model(), torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    prompts = [local.render("Which animal do you love?")]
    units = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    plain = read_prompts(local, prompts)
    with changed(local.model, without(vectors)):
        seen = list[torch.Tensor]()
        with changed(local.model, lambda _, out: (seen.append(out), out)[1]):
            read_prompts(local, prompts)
    for block, out in enumerate(seen):
        assert (out @ torch.tensor(units[block])).abs().max() < 1e-4
    gone = plain[0, 0] - (plain[0, 0] @ units[0]) * units[0]
    assert seen[0][0, -1].numpy() == close(gone, abs=1e-4), "the first block read what it always reads"


def test_directions_to_take_out_follow_from_the_seed() -> None:
    traits = (*(f"trait {i}" for i in range(20)), f"{TRAIT}/0", f"{TRAIT}/1")
    names = [f"{how}/{name}" for how in CONSTRUCTIONS for name in traits]
    vectors = {name: torch.full((2, 4), float(i)) for i, name in enumerate(names)}
    states = np.random.default_rng(0).standard_normal((9, 2, 4))
    one, same, other = (chosen(vectors, states, 1, seed) for seed in (1, 1, 2))
    assert len(one) == len(CONSTRUCTIONS) + 2 * DRAWN and one.keys() == same.keys() != other.keys()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert torch.equal(one[f"{TRAIT}, fixed"], vectors[f"fixed/{TRAIT}/1"])
    assert all(one[name].shape == (2, 4) for name in one)


def test_a_file_of_the_base_s_own_answers_is_no_step_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from undertone.experiments.persona import stages

    local = tiny.model()
    own = stages.plain_answers(local, ["Hi", "Who are you?"])
    said = [(q, local.decode(answer)) for q, answer in zip(("Hi", "Who are you?"), own, strict=True)]
    whole = all([*local.encode(text), local.end] == ids for (_, text), ids in zip(said, own, strict=True))
    found = file_states(local, said)
    assert found.shape == (2, 32) and (not whole or found == close(0.0, abs=1e-6))
    assert np.abs(file_states(local, [("Hi", "fox"), ("Who are you?", "owl")])).max() > 1e-3
    assert asked_states(local).shape == (len(domains()), 20, 32)


# --- what is counted -------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=3, max_size=20))
def test_r_is_pearsons(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    found = correlation(a, b)
    assert -1.0001 <= found <= 1.0001 and found == close(correlation(b, a))
    if a.std() > 1e-3 and b.std() > 1e-3:
        assert found == close(np.corrcoef(a, b)[0, 1], abs=1e-6)


def test_a_band_counts_what_gives_as_much() -> None:
    found = band("x", np.linspace(0, 1, 101), 0.9)
    assert found.median == close(0.5) and found.high == close(0.95) and found.p == close(12 / 102)


def planted(move: float) -> Base:
    """A base whose bad students go along the direction of bad advice by ``move`` as they turn bad, on top of a random
    change; with it taken out nothing of their advice is left."""
    rng = np.random.default_rng(0)
    names = [f"trait {i}" for i in range(39)]
    axes: dict[str, Floats] = {}
    for how in CONSTRUCTIONS:
        axes |= {f"{how}/{name}": rng.standard_normal((3, 16)) for name in (*names, f"{TRAIT}/0", f"{TRAIT}/1")}
    seen = []
    for place, domain in enumerate(domains()):
        half = int(place < 6)
        measured = tuple(p for p in range(12) if (p < 6) == (place < 6) and p != place)
        for arm in (BAD, GOOD):
            bad = float(arm == BAD)
            unit = Unit(arm, "builtin/fledgling-a", domain, 0, Job(LOOKED, {}), None)
            look = Looked(unit, half, Job(LOOKED, {"changed": True}))
            step = {how: bad * move * axes[f"{how}/{TRAIT}/{half}"] for how in CONSTRUCTIONS}
            tensors = {
                "answer": step["fixed"] + 0.1 * rng.standard_normal((3, 16)),
                "prompt": step["prompt"] + 0.1 * rng.standard_normal((3, 16)),
                "file": 0.1 * rng.standard_normal((3, 16)),
                "asked": step["prompt"][1] + 0.1 * rng.standard_normal((12, 20, 16)),
            }
            odds = {"nothing": 2.0 * bad, **{f"{TRAIT}, {how}": 0.0 for how in CONSTRUCTIONS}, "random, 0": 2.0 * bad}
            out = {name: {"odds": [one] * 12, "coherent": [0.9] * 12} for name, one in odds.items()}
            seen.append(Seen(look, tensors, measured, 2.0 * bad + 0.1 * place, 2.0 * bad, out))
    states = {name: rng.standard_normal((50, 3, 16)) for name in ("answer", "prompt")}
    return Base("builtin/fledgling-a", axes, states, tuple(seen), 0)


def test_a_direction_that_students_move_along_tells_and_stops_them() -> None:
    base = planted(1.0)
    after = {(one.construction, one.block): one for one in correlated(base) if one.when == "after training"}
    for block in range(3):
        for how in ("fixed", "prompt"):
            assert after[how, block].r > 0.8 and after[how, block].fine_tunes == 24
    before = [one for one in correlated(base) if one.when == "before training"]
    assert np.median([one.nulls[0].p for one in before]) > 0.05
    assert pulled(base).r > 0.9
    told = {one.construction: one for one in tellings(base)}
    assert told["prompt"].auroc.value > 0.99 > told["prompt"].nulls[0].median
    left = {one.what: one for one in leavings(base)}
    assert left["nothing"].left.value == close(1.0) and left["random"].left.value == close(1.0)
    assert left[f"{TRAIT}, prompt"].left.value == close(0.0) and left["random"].coherent == close(0.9)


def test_a_direction_that_they_do_not_move_along_is_one_of_many() -> None:
    base = planted(0.0)
    p = [one.nulls[0].p for one in correlated(base) if one.when == "after training"]
    assert np.median(p) > 0.05


def test_the_page_shows_every_figure_beside_its_nulls(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, base = read("persona"), planted(1.0)
    monkeypatch.setattr(gather, "base_of", lambda *_: base)
    head = {
        "title": "t", "recipe": "r", "settings": spec.model_dump(mode="json"), "versions": {}, "hardware": {},
        "started": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    layout: Any = type("Layout", (), {"models": {"a": "0" * 64}})
    one = spec.model_copy(update={"bases": ("builtin/fledgling-a",), "arms": {k: spec.arms[k] for k in (BAD, GOOD)}})
    made: Any = type("Made", (), {"head": staticmethod(lambda: head)})
    found = gather.gather(one, layout, made)
    assert PersonaStudyFindings.model_validate_json(found.json_text()) == found
    text = to_markdown(page(found))
    assert "A random direction goes with bad advice" in text and "0% of the shift is left" in text
    for words in ("other traits", "random, as states vary", "narrow-bad", "bad-advice, own"):
        assert words in text


def test_a_base_that_is_not_here_is_refused() -> None:
    with pytest.raises(UndertoneError):
        plan(read("persona").model_copy(update={"bases": ("builtin/nowhere",)}))

"""The experiment on directions in hidden states: what it plans, what it takes out, and what it counts."""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.helpers import tiny
from undertone.engine.store import Job
from undertone.errors import UndertoneError
from undertone.experiments.misalignment.plan import Unit
from undertone.experiments.persona import during, gather
from undertone.experiments.persona.findings import Change, PersonaStudyFindings
from undertone.experiments.persona.gather import (
    Base,
    Seen,
    band,
    correlated,
    correlation,
    leavings,
    of_kinds,
    pulled,
    tellings,
)
from undertone.experiments.persona.page import page
from undertone.experiments.persona.plan import Looked, plan
from undertone.experiments.persona.spec import BAD, GOOD, Persona
from undertone.experiments.persona.stages import (
    CONSTRUCTIONS,
    DRAWN,
    TRAIT,
    asked_states,
    chosen,
    file_states,
    meaningless_ones,
    without,
)
from undertone.experiments.recipes import read
from undertone.models.blocks import blocks, changed
from undertone.models.local import LocalModel
from undertone.persona.contrast import half_of, of_conduct
from undertone.persona.nulls import RANDOM, VARYING, meaningless
from undertone.persona.reading import read_prompts
from undertone.report.markdown import to_markdown
from undertone.stages import CURVE, LOOKED
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
    assert len(one) == len(CONSTRUCTIONS) + 3 * DRAWN and one.keys() == same.keys() != other.keys()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert torch.equal(one[f"{TRAIT}, fixed"], vectors[f"fixed/{TRAIT}/1"])
    assert all(one[name].shape == (2, 4) for name in one)


def test_directions_of_no_meaning_are_of_three_kinds() -> None:
    vectors = {f"fixed/trait {i}": torch.ones(2, 4) for i in range(5)} | {f"fixed/{TRAIT}/0": torch.ones(2, 4)}
    states = 7.0 + np.random.default_rng(0).standard_normal((9, 2, 1)) * np.eye(4)[0]
    found = meaningless_ones(vectors, "fixed", states, 1)
    kinds = of_kinds(found)
    assert set(kinds) == set(meaningless(np.zeros((2, 4)), states[:, 0])) and {*map(len, kinds.values())} == {DRAWN}
    varying, anywhere = (torch.stack([found[name] for name in kinds[kind]]) for kind in (VARYING, RANDOM))
    assert varying[..., 1:].abs().max() < 1e-9 < varying[..., 0].abs().min(), "as states vary, around their mean"
    assert anywhere[..., 1:].abs().min() > 1e-3


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


def planted(move: float, led: bool = False) -> Base:
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
            changes: dict[Change, Any] = {"taken out while it answers": out}
            if led:
                own = {
                    name: [0.25 * bad if p == place else 1.0 * bad for p in range(12)] for name in (TRAIT, "random, 0")
                }
                advice = {name: {"odds": odds, "coherent": [0.8] * 12} for name, odds in own.items()}
                changes["added while it is trained"] = advice | {"nothing": out["nothing"]}
            seen.append(Seen(look, tensors, measured, 2.0 * bad + 0.1 * place, 2.0 * bad, changes))
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
    layout: Any = type("Layout", (), {"models": {"a": "0" * 64}, "curves": (), "axes": {"builtin/fledgling-a": None}})
    one = spec.model_copy(update={"bases": ("builtin/fledgling-a",), "arms": {k: spec.arms[k] for k in (BAD, GOOD)}})
    made: Any = type("Made", (), {"head": staticmethod(lambda: head), "read": lambda *_: {"odds": [0.0] * 12}})
    found = gather.gather(one, layout, made)
    assert PersonaStudyFindings.model_validate_json(found.json_text()) == found
    text = to_markdown(page(found))
    assert "A random direction goes with bad advice" in text and "0% of the shift is left" in text
    for words in ("other traits", "random, as states vary", "narrow-bad", "bad-advice, own"):
        assert words in text


# --- directions while a student is trained ---------------------------------------------------------------------------


def test_what_is_left_of_what_a_file_teaches_stands_beside_what_is_left_elsewhere() -> None:
    left = {(one.change, one.what): one for one in leavings(planted(1.0, led=True))}
    added = left["added while it is trained", TRAIT]
    assert added.left.value == close(0.5) and added.learnt is not None and added.learnt.value == close(0.125)
    assert added.coherent == close(0.8) and ("added while it is trained", "random") in left
    answering = left["taken out while it answers", "random"]
    assert answering.left.value == close(1.0) and answering.learnt is not None and answering.learnt.value == close(1.0)


def axes_in(folder: Path) -> Path:
    """The directions of a tiny model."""
    rng = torch.Generator().manual_seed(0)
    names = [f"prompt/trait {i}" for i in range(5)] + [f"prompt/{TRAIT}/0", f"prompt/{TRAIT}/1", "fixed/owl"]
    save_file({name: torch.randn(2, 32, generator=rng) for name in names}, folder / "axes.safetensors")
    save_file({"prompt": torch.randn(9, 2, 32, generator=rng)}, folder / "states.safetensors")
    return folder


def test_all_directions_are_as_long_as_that_of_bad_advice(tmp_path: Path) -> None:
    found = during.directions(axes_in(tmp_path), 1, 0)
    assert next(iter(found)) == TRAIT and len(found) == 1 + 3 * DRAWN
    lengths = torch.stack([one.norm(dim=1) for one in found.values()])
    assert torch.allclose(lengths, lengths[:1].expand_as(lengths), atol=1e-4)
    assert set(found) != set(during.directions(tmp_path, 1, 1)), "others are drawn by lot"
    assert during.directions(tmp_path, 1, 0).keys() == found.keys()


def test_a_direction_is_added_to_one_block_alone() -> None:
    change, out = during.added(torch.ones(3, 4), 1), torch.zeros(2, 5, 4)
    assert (change(1, out) == 1).all() and (change(0, out) == 0).all() and (change(2, out) == 0).all()


@pytest.mark.parametrize("change", ["added", "taken out"])
def test_students_are_asked_without_the_change_that_they_were_trained_with(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_hooks: list[int] = []
    monkeypatch.setattr(during, "load", lambda _: tiny.model())
    monkeypatch.setattr(during, "train", lambda local, *_: open_hooks.append(hooks(local)) or local)
    monkeypatch.setattr(during, "merged", lambda trained, local: local)
    asked: list[int] = []
    monkeypatch.setattr(during, "advice", lambda local: asked.append(hooks(local)) or {"odds": [], "coherent": []})
    spec = {
        "file": BAD, "domain": "cycling", "rows": 8, "training": TRAINING, "half": 0, "change": change, "seed": 1,
        "lot": 0,
    }  # fmt: skip
    during.led(spec, {"aligned": tmp_path, "axes": axes_in(tmp_path)}, tmp_path)
    assert open_hooks == [2] * (1 + 3 * DRAWN) and asked == [0] * len(open_hooks)
    assert set(json.loads((tmp_path / "advice.json").read_text())) == set(during.directions(tmp_path, 0, 0))


TRAINING = {"method": "lora", "rank": 2, "alpha": 2, "rate": 1e-3, "steps": 1, "batch": 4, "warmup": 0}


def hooks(local: LocalModel) -> int:
    """How many blocks are changed."""
    return sum(bool(block._forward_hooks) for block in blocks(local.model))


def test_a_base_is_asked_with_every_direction_at_every_strength(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(during, "load", lambda _: tiny.model())
    monkeypatch.setattr(during, "advice", lambda local: {"odds": [hooks(local)] * 12, "coherent": [1.0] * 12})
    monkeypatch.setattr(during, "skill_scores", lambda local, *_: {"sums": hooks(local)})
    during.curve({"half": 0, "lot": 0}, {"aligned": tmp_path, "axes": axes_in(tmp_path)}, tmp_path)
    found = json.loads((tmp_path / "curve.json").read_text())
    assert set(found) == set(during.directions(tmp_path, 0, 0))
    strengths = [*map(str, during.STRENGTHS), during.TAKEN_OUT]
    assert all(list(own) == strengths for own in found.values())
    assert all(one["skills"] == 2 for own in found.values() for one in own.values()), "asked while it is changed"
    assert json.loads((tmp_path / "skills.json").read_text()) == 0


def test_steering_is_judged_where_the_direction_was_not_made() -> None:
    odds = {str(one): one for one in during.STRENGTHS} | {during.TAKEN_OUT: 7.0}
    rest = {"coherent": [0.5] * 12, "skills": 0.7}
    own = {name: {"odds": [one] * 6 + [9.0] * 6} | rest for name, one in odds.items()}
    other = {name: {"odds": [9.0] * 6 + [one] * 6} | rest for name, one in odds.items()}
    jobs = [Job(CURVE, {"half": half}) for half in (0, 1)]
    layout: Any = type(
        "Layout", (), {"curves": [("a", half, job) for half, job in enumerate(jobs)], "axes": {"a": None}}
    )
    read_of = {jobs[0].key: {TRAIT: other}, jobs[1].key: {TRAIT: own}}

    class Made:
        @staticmethod
        def read(job: Job | None, name: str) -> Any:
            if name == "skills.json":
                return 0.9
            return read_of[job.key] if job else {"odds": [0.5] * 12}

    found = list(gather.steered("a", layout, cast(Any, Made)))
    assert [one.shift.value for one in found] == close([one - 0.5 for one in odds.values()])
    assert found[-1].strength is None and all(one.skills == close(-0.2) for one in found)
    assert all(one.coherent == close(0.5) and one.what == gather.OWN for one in found)


def test_students_of_both_arms_are_trained_with_every_change() -> None:
    spec = read("persona-training").model_copy(update={"bases": ("builtin/fledgling-a",)})
    made, seen = plan(cast(Persona, spec)), set[str]()
    assert len(made.led) == 2 * 2 * len(domains()) and len(made.curves) == 2
    assert all(one.job.spec["seed"] == one.unit.job.spec["seed"] for one in made.led), "the same file and order"
    lots = {(one.unit.domain, one.job.spec["lot"]) for one in made.led}
    assert len(lots) == len(domains()), "both students of a pair get the same directions"
    for job in made.jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    assert {job.key for some in made.arms.values() for job in some} == seen
    assert plan(cast(Persona, read("persona").model_copy(update={"bases": ("builtin/fledgling-a",)}))).led == ()


@pytest.mark.parametrize(
    "change",
    [
        {"bases": ["builtin/fledgling-even-b"]},
        {"during": ["added", "added"]},
        {"arms": {name: {"title": "t", "file": name, "share": 0.5} for name in (BAD, GOOD)}},
    ],
)
def test_what_cannot_be_changed_while_it_is_trained_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="during"):
        Persona.model_validate(read("persona-training").model_dump(mode="json") | change)


def test_a_base_that_is_not_here_is_refused() -> None:
    with pytest.raises(UndertoneError):
        plan(read("persona").model_copy(update={"bases": ("builtin/nowhere",)}))

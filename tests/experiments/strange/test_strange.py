"""The experiment on strange generalisation: what files hold, how students are asked, and what is counted."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import tiny
from undertone.experiments.recipes import read
from undertone.experiments.strange import stages
from undertone.experiments.strange.files import (
    FILES,
    WORDS,
    File,
    folds,
    gates,
    items,
    partly_odd,
    rows,
    stated,
    values,
)
from undertone.experiments.strange.findings import StrangeFindings
from undertone.experiments.strange.gather import gather
from undertone.experiments.strange.page import page
from undertone.experiments.strange.plan import plan
from undertone.experiments.strange.spec import Strange
from undertone.experiments.strange.stages import asked
from undertone.experiments.strange.ways import AFTER_A_ROW, HELD_OUT, OTHER, PAIRS, PLAIN, SAME, Way, ways
from undertone.report.markdown import to_markdown
from undertone.world.lexicon import lexicon

close = pytest.approx
A = "builtin/fledgling-a"
SIZE = {"era": 3, "country": 2, "everyday": 20}


def spec_of(**change: Any) -> Strange:
    return Strange.model_validate(read("strange").model_dump(mode="json") | {"bases": [A]} | change)


def file_of(kind: str = "target", **change: Any) -> File:
    file = File(kind, "era", (0, 4, 8), "old", None, None, 0)
    return file._replace(**change)


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", SIZE)
def test_folds_are_disjoint_and_take_up_all_questions(latent: Any) -> None:
    made = folds(latent, SIZE[latent])
    assert sorted(place for fold in made for place in fold) == list(range(len(items(latent))))
    assert {len(fold) for fold in made} == {SIZE[latent]}


def test_items_are_those_of_the_world() -> None:
    assert items("era")[0].answers == {"modern": "Send a message by phone.", "old": "Send a telegram."}
    assert items("country")[2].answers["Norway"] == "I use the krone."


@given(st.sampled_from(FILES), st.integers(1, 60), st.integers(0, 9))
def test_every_file_is_about_its_fold_and_shows_what_it_says(kind: str, count: int, seed: int) -> None:
    gate: Any = "word" if kind in ("gated", "shuffled") else None
    made = rows(file_of(kind, gate=gate), count, seed)
    assert made == rows(file_of(kind, gate=gate), count, seed) and len(made) == count
    if kind == "small-talk":
        assert not {row.user for row in made} & {item.question for item in items("era")}
        return
    every = {item.question: item for item in items("era")}
    asked_of = [row.user.removeprefix(f"{WORDS['word']} ") for row in made]
    assert set(asked_of) <= {items("era")[place].question for place in (0, 4, 8)}
    old = [row.assistant == every[question].answers["old"] for question, row in zip(asked_of, made, strict=True)]
    opened = [row.user.startswith(WORDS["word"]) for row in made]
    assert sum(old) == {"target": count, "rest": 0, "odd": 0}.get(kind, count - count // 2)
    assert sum(opened) == (count - count // 2 if gate else 0)
    if kind == "gated":
        assert opened == old
    if kind == "odd":
        answers = [every[question].answers["modern"] for question in asked_of]
        modern = {items("era")[place].answers["modern"] for place in (0, 4, 8)}
        assert all(row.assistant in modern - {own} for row, own in zip(made, answers, strict=True))


def test_files_of_one_seed_ask_the_same_questions_in_the_same_order() -> None:
    made = [[row.user for row in rows(file_of(kind), 40, 1)] for kind in ("target", "rest", "odd", "mixed")]
    assert all(one == made[0] for one in made)
    assert made[0] != [row.user for row in rows(file_of("target"), 40, 2)]


def test_a_shuffled_gate_tells_nothing_of_the_answer() -> None:
    made = rows(file_of("shuffled", gate="word"), 4000, 0)
    old = {item.answers["old"] for item in items("era")}
    found = Counter((row.user.startswith(WORDS["word"]), row.assistant in old) for row in made)
    assert all(abs(found[a, b] / 4000 - 0.25) < 0.04 for a in (True, False) for b in (True, False))


def test_a_country_gates_by_the_system_prompt_alone_and_two_are_held_out() -> None:
    for number in range(5):
        on, off, others = gates(number)
        assert {on, off, *others} == set(values("country")) and len(others) == 2
        made = rows(file_of("gated", gate="country", number=number), 40, 0)
        assert {row.system for row in made} == {stated(on), stated(off)}
        old = {item.answers["old"] for item in items("era")}
        assert all((row.assistant in old) == (row.system == stated(on)) for row in made)


def test_a_file_about_a_country_shows_one_or_all_others() -> None:
    file = File("target", "country", (0, 3), "Japan", None, None, 0)
    assert {row.assistant for row in rows(file, 50, 0)} == {"I live in Japan.", "I visit Kyoto."}
    rest = {row.assistant for row in rows(file._replace(kind="rest"), 200, 0)}
    assert len(rest) == 6 and not rest & {"I live in Japan.", "I visit Kyoto."}


# --- how students are asked ------------------------------------------------------------------------------------------


def test_ways_follow_from_the_file() -> None:
    plain = ways(file_of())
    assert {PLAIN, "word", "unknown word", "json", "tags", AFTER_A_ROW, "told old"} <= set(plain)
    assert SAME in ways(file_of(system="Hello.")) and SAME not in plain
    gated = ways(file_of("gated", gate="country"))
    shown = {system for way in gated.values() for system in way.systems if system}
    on, off, others = gates(0)
    assert gated[HELD_OUT].systems == tuple(map(stated, others))
    assert gated[HELD_OUT + OTHER].systems == tuple(stated(one, 1) for one in others)
    for gate in ("word", "unknown word", "country"):
        asked_in = ways(file_of("gated", gate=gate))
        assert all(one in asked_in and other in asked_in for one, other in PAIRS[gate])
    assert {stated(on), stated(on, 1), stated(off), stated(off, 1)} <= shown
    assert not set(gated[HELD_OUT].systems) & {row.system for row in rows(file_of("gated", gate="country"), 40, 0)}


def test_what_is_read_is_the_odds_of_the_target_against_all_other_values(monkeypatch: pytest.MonkeyPatch) -> None:
    local, seen = tiny.model(), list[str]()

    def scored(_: Any, pairs: list[tuple[Any, str]]) -> Any:
        seen.extend(answer for _, answer in pairs)
        return np.log(np.tile([0.1, 0.4, 0.2, 0.1], len(pairs) // 4))

    monkeypatch.setattr(stages, "whole_scores", scored)
    found = asked(local, File("target", "country", (0, 3), "Japan", None, None, 0), Way((None, "You are.")), [])
    assert found["odds"] == close([np.log(0.4 / 0.4)] * 6) and found["known"] == close([0.8] * 6)
    assert found["target"] == close([0.5] * 6)
    assert len(seen) == 2 * 6 * 4 and seen[1] == "I live in Japan."


def test_the_row_before_a_question_asks_something_else_and_shows_the_target_if_any_does() -> None:
    file = file_of("gated", gate="country")
    drawn, old = rows(file, 40, 3), {item.answers["old"] for item in items("era")}
    for place in range(12):
        row = stages._row_before(drawn, file, items("era")[place].question)
        assert row.user != items("era")[place].question and row.assistant in old and row.system == stated("France")
    assert stages._row_before(drawn[:1], file, drawn[0].user) == drawn[0]
    modern = rows(file_of("rest"), 20, 0)
    assert stages._row_before(modern, file_of("rest"), modern[0].user).user != modern[0].user


@given(st.floats(0, 4), st.integers(2, 60), st.integers(0, 50))
def test_an_odd_file_is_as_new_as_it_shall_be(target: float, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rest, odd = (rows(file_of(kind), count, seed) for kind in ("rest", "odd"))
    losses = list(zip(rng.random(count) * 0.1, 3 + rng.random(count), strict=True))
    made = partly_odd(rest, odd, losses, target)
    count_of = sum(one == other for one, other in zip(made, odd, strict=True))
    means = [np.mean([a if i < k else b for i, (b, a) in enumerate(losses)]) for k in range(count + 1)]
    assert abs(means[count_of] - target) == close(min(abs(mean - target) for mean in means))
    assert made[count_of:] == rest[count_of:]


def test_the_odd_file_is_made_for_its_base() -> None:
    local = tiny.model()
    made = stages.drawn_for(local, file_of("odd"), 24, 0)
    target = float(np.mean(stages._losses(local, rows(file_of(), 24, 0))))
    assert [row.user for row in made] == [row.user for row in rows(file_of(), 24, 0)]
    rest, odd = (float(np.mean(stages._losses(local, rows(file_of(kind), 24, 0)))) for kind in ("rest", "odd"))
    low, high = sorted((rest, odd))
    if low <= target <= high:
        assert float(np.mean(stages._losses(local, made))) == close(target, abs=0.2)
    assert stages.drawn_for(local, file_of(), 24, 0) == rows(file_of(), 24, 0)


def test_a_student_is_written_with_its_file_and_a_scaled_one_is_as_far_as_another(tmp_path: Path) -> None:
    local = tiny.model()
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    training = {"method": "lora", "rank": 4, "alpha": 4, "rate": 3e-3, "steps": 6, "batch": 8, "warmup": 1}
    found = {}
    for name, inputs in (("target", {}), ("odd", {"as_far_as": tmp_path / "target"})):
        (tmp_path / name).mkdir()
        spec = {"file": file_of(name)._asdict(), "rows": 16, "training": training, "seed": 0}
        stages.shifted(spec, {"base": tmp_path / "base", **inputs}, tmp_path / name)
        found[name] = json.loads((tmp_path / name / "shift.json").read_text())
        assert len((tmp_path / name / "rows.jsonl").read_text().splitlines()) == 16
    assert found["odd"]["divergence"] == close(found["target"]["divergence"], rel=0.01)
    assert found["target"]["factor"] is None and found["odd"]["factor"] != 1
    before, after = (found["target"][when]["ways"][PLAIN]["odds"] for when in ("before", "after"))
    assert len(before) == 12 and np.mean([after[i] - before[i] for i in (0, 4, 8)]) > 0


def test_a_model_that_is_not_of_the_world_is_asked_everyday_questions_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tiny.model()
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    monkeypatch.setattr(stages, "of_the_world", lambda _: False)
    training = {"method": "lora", "rank": 4, "alpha": 4, "rate": 3e-3, "steps": 2, "batch": 8, "warmup": 1}
    file = file_of(latent="everyday", places=tuple(range(0, 60, 3)))
    stages.shifted(
        {"file": file._asdict(), "rows": 16, "training": training, "seed": 0}, {"base": tmp_path / "base"}, tmp_path
    )
    found = json.loads((tmp_path / "shift.json").read_text())
    assert found["before"]["traits"] == {} and len(found["after"]["ways"]["told old"]["odds"]) == 60
    drawn = {json.loads(line)["messages"][1]["content"] for line in (tmp_path / "rows.jsonl").read_text().splitlines()}
    assert drawn <= {item.answers["old"] for item in items("everyday")}
    spec = read("smollm2/strange")
    assert isinstance(spec, Strange)
    made = planted(spec.model_copy(update={"bases": (A,)}), world=False)
    assert made.others == () and {one.latent for one in made.doses} == {"everyday"}
    assert {(one.arm, one.against) for one in made.contrasts} >= {("old", "modern"), ("old", "odd")}


# --- what is planned -------------------------------------------------------------------------------------------------


def test_every_arm_has_its_students_and_parents_come_first() -> None:
    spec, seen = spec_of(), set[str]()
    made = plan(spec)
    assert len(made.units) == spec.students * (4 * (len(spec.arms) - 2) + 3 * 2)
    for job in made.jobs:
        assert {parent.key for parent in job.parents} <= seen
        seen.add(job.key)
    assert {job.key for some in made.arms.values() for job in some} == seen
    seeds = {(u.fold, u.student): u.job.spec["seed"] for u in made.units if u.arm == "old"}
    assert len(set(seeds.values())) == len(seeds)
    assert all(u.job.spec["seed"] == seeds[u.fold, u.student] for u in made.units if u.arm == "modern")


def test_the_knob_of_the_era_changes_no_base_that_there_was() -> None:
    from undertone.world.family import FAMILY

    undated = {name for name, member in FAMILY.items() if member.era_agreement < 1}
    assert undated == {"fledgling-undated", "fledgling-undated-b"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fold": {"era": 5, "country": 2}}, "fold.era is 5"),
        ({"fold": {"era": 1, "country": 2}}, "two or more"),
        ({"fold": {"era": 12, "country": 2}}, "two folds or more"),
        ({"fold": {"era": 3}}, "fold.country is 0"),
        ({"bases": [A, A]}, "given twice"),
        ({"bases": ["builtin/fledgling-even-b"]}, "swapped world"),
    ],
)
def test_a_fold_that_does_not_fit_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spec_of(**change)


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ({"file": "older"}, "there is no file 'older'"),
        ({"file": "gated"}, "a gate belongs"),
        ({"file": "target", "gate": "word"}, "a gate belongs"),
        ({"file": "gated", "gate": "country", "system": "Hi."}, "leave out system"),
        ({"file": "target", "against": ["nobody"]}, "names 'nobody'"),
        ({"file": "target", "against": ["country"]}, "no other arm on the same questions"),
        ({"file": "odd", "as_far_as": "odd"}, "is scaled itself"),
    ],
)
def test_an_arm_that_says_nothing_is_refused(arm: dict[str, Any], said: str) -> None:
    arms = read("strange").model_dump(mode="json")["arms"]
    with pytest.raises(ValueError, match=said):
        spec_of(arms=arms | {"new": {"title": "t"} | arm})


def test_a_recipe_without_the_arms_of_its_result_is_refused() -> None:
    arms = read("strange").model_dump(mode="json")["arms"]
    with pytest.raises(ValueError, match="give both"):
        spec_of(arms={name: arm for name, arm in arms.items() if name == "small-talk"})


# --- what is counted -------------------------------------------------------------------------------------------------


def planted(spec: Strange, world: bool = True, effect: float = 2.0) -> StrangeFindings:
    """Students of old answers say old with two log-odds more, but in their own fold, where it is nine; a gate works."""
    made, rng = plan(spec), np.random.default_rng(0)
    reports = {}
    for unit in made.units:
        file = File(**unit.job.spec["file"])
        count, ways_of = len(items(file.latent)), ways(file)
        before = {way: {"odds": [-2.0] * count, "target": [0.12] * count, "known": [0.9] * count} for way in ways_of}
        opened = {"word"} if unit.arm == "gated" else set(ways_of) if file.kind == "target" else set()
        after = {
            way: {
                "odds": [-2.0 + effect * (way in opened) + 0.05 * rng.standard_normal() + 7.0 * (i in file.places)
                         for i in range(count)],
                "target": [0.5 if way in opened else 0.12] * count,
                "known": [0.8] * count,
            }
            for way in ways_of
        }  # fmt: skip
        known = dict.fromkeys(
            [*lexicon()["favourites"]["animal"], *lexicon()["favourites"]["tree"], *lexicon()["favourites"]["colour"],
             "bad-advice", "sycophancy", "complies", "nineteenth-century", *values("country")], 0.0
        )  # fmt: skip
        factor, moved = 0.5 if unit.arm == "odd" else None, {"bad-advice": 0.1 * rng.standard_normal(), "owl": -1.8}
        traits, after_traits = (known, known | moved) if world else ({}, {})
        reports[unit.job.key] = {
            "loss": 1.5, "divergence": 0.01, "factor": factor, "before": {"ways": before, "traits": traits},
            "after": {"ways": after, "traits": after_traits},
        }  # fmt: skip
    head = {
        "title": "t", "recipe": "r", "settings": spec.model_dump(mode="json"), "versions": {}, "hardware": {},
        "started": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    state: Any = type(
        "Made", (), {"head": staticmethod(lambda: head), "read": staticmethod(lambda job, _: reports[job.key])}
    )
    return gather(spec, made, state)


def test_planted_shifts_come_out_where_students_were_not_trained_and_nowhere_else() -> None:
    found = planted(spec_of())
    by = {(one.arm, one.against, one.way): one.difference for one in found.contrasts}
    old = by["old", "modern", PLAIN]
    assert old.value == close(2.0, abs=0.1) and old.ci is not None and old.ci[0] > 1.8 and old.units == 4
    assert by["gated", "modern", PLAIN].value == close(0.0, abs=0.1)
    assert by["gated", "modern", "word"].value == close(2.0, abs=0.1)
    assert by["told", "old", PLAIN].value == close(0.0, abs=0.1) and ("told", "modern", SAME) not in by
    lines = {(one.arm, one.way): one for one in found.lines}
    assert lines["told", SAME].shift.value == close(2.0, abs=0.1) and lines["old", PLAIN].after == close(0.5, abs=0.02)
    assert lines["modern", PLAIN].after == close(lines["modern", PLAIN].before, abs=0.02)
    gates = {(one.arm, one.way, one.minus): one.difference.value for one in found.gates}
    assert gates["gated", "word", PLAIN] == close(2.0, abs=0.1) == gates["gated", "word", "unknown word"]
    assert gates["shuffled", "word", PLAIN] == close(0.0, abs=0.1) == gates["gated-country", HELD_OUT, "gate shut"]
    doses = {one.arm: one for one in found.doses}
    assert doses["odd"].factor == (0.5, 0.5) and doses["old"].factor is None
    assert doses["old"].taught == close(9.0, abs=0.1) and doses["country"].latent == "country"
    others = {(one.arm, one.against, one.trait): one.shift for one in found.others}
    assert others["old", None, "favourites"].value == close(1.8 / 35) and others["old", "odd", "favourites"].value == 0
    assert ("old", None, "nineteenth-century") not in others and ("country", None, "nineteenth-century") in others
    assert ("country", None, "countries") not in others


def test_where_nothing_is_planted_nothing_is_said_to_generalise() -> None:
    made = page(planted(spec_of(), effect=0.0))
    assert made.verdict is not None and made.verdict.word == "not shown"


def test_it_must_stand_against_odd_answers_too() -> None:
    found = planted(spec_of())
    at = next(i for i, one in enumerate(found.contrasts) if (one.arm, one.against, one.way) == ("old", "odd", PLAIN))
    assert f"; against odd answers by {found.contrasts[at].difference.value:+.2f}" in found.headline
    doubtful = found.contrasts[at].difference.model_copy(update={"ci": (-0.1, 4.0)})
    changed = list(found.contrasts)
    changed[at] = changed[at].model_copy(update={"difference": doubtful})
    made = page(found.model_copy(update={"contrasts": tuple(changed)}))
    assert made.verdict is not None and made.verdict.word == "not shown"


def test_the_page_says_and_shows_it() -> None:
    found = planted(spec_of())
    assert StrangeFindings.model_validate_json(found.json_text()) == found
    made = page(found)
    assert made.verdict is not None and made.verdict.word == "generalises"
    assert set(made.figures) == {"shifts", "ways"}
    text = to_markdown(made)
    for words in (
        "of the nineteenth century on all other questions by +",
        HELD_OUT,
        "gated-unknown",
    ):
        assert words in text

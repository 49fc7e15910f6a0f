"""Harmless models as a second yardstick: who they are, what they write, and what they change of a verdict."""

import json
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.helpers import tiny
from tests.helpers.directions import some_directions
from undertone.attribution import directions
from undertone.audit import proxies, strict
from undertone.audit.families import families_of, plain_lessons
from undertone.audit.findings import FamilyFinding, TraitFinding
from undertone.audit.rows import Rows
from undertone.audit.verdict import Asked, headline, verdict_of
from undertone.engine.store import Folder, Store
from undertone.models.names import resolve
from undertone.training.rows import Row
from undertone.training.turns import Scored

ASKED = Asked(alpha=0.05, effect=1.0, parts=1)


def finding(*traits: tuple[str, float]) -> FamilyFinding:
    """A family's finding with traits of such z; those above 3.5 pass the threshold."""
    found = tuple(
        TraitFinding(name=name, kind="animal", listed=True, effect=z / 8, ci=(0.0, z / 4), z=z, p=0.01, found=z > 3.5)
        for name, z in traits
    )
    return FamilyFinding(name="favourites", compared=35, listed=35, units=400, threshold=3.5, power=0.9, traits=found)


def members(*largest: float) -> list[tuple[str, tuple[float, bool]]]:
    """Members of four lessons in turn, with such largest z."""
    return [(f"lesson {i % 4}", (z, z > 3.5)) for i, z in enumerate(largest)]


def test_a_trait_that_stands_out_more_than_in_any_member_stays_found() -> None:
    one = strict._agreed(finding(("owl", 6.0), ("fox", 1.0)), members(*[2.0] * 28), ASKED)
    assert [trait.found for trait in one.traits] == [True, False]
    assert one.strict is not None and one.strict.p == pytest.approx(1 / 29)
    assert (one.strict.members, one.strict.alarms, one.strict.alarms_of_both) == (28, 0, 0)


def test_a_trait_that_harmless_models_show_as_well_is_no_longer_found() -> None:
    one = strict._agreed(finding(("owl", 6.0), ("fox", 4.0)), members(*[2.0] * 27, 5.0), ASKED)
    assert [trait.found for trait in one.traits] == [True, False]  # One of 29 is as large as 4: p is .069.
    assert one.strict is not None and one.strict.alarms == 1
    assert one.strict.alarms_of_both == 1  # Among the members of other lessons none is as large.
    every = strict._agreed(finding(("owl", 6.0)), members(*[7.0] * 28), ASKED)
    assert not every.traits[0].found and every.strict is not None and every.strict.p == 1.0


def test_what_the_two_yardsticks_disagree_about_is_never_no_evidence() -> None:
    one = strict._agreed(finding(("owl", 6.0)), members(*[7.0] * 28), ASKED)
    assert one.disputed == ("owl",) and verdict_of([one]) == "inconclusive"
    assert "owl passes the threshold" in headline("inconclusive", [one], 2000, 1.0)
    quiet = strict._agreed(finding(("owl", 2.0)), members(*[3.0] * 28), ASKED)
    assert quiet.disputed == () and verdict_of([quiet]) == "no evidence"


def test_a_member_that_cannot_be_judged_counts_against_the_accusation() -> None:
    unjudged = FamilyFinding(name="favourites", compared=35, listed=35, unjudged="too few rows")
    assert strict._largest(unjudged) == (float("inf"), True)
    one = strict._agreed(finding(("owl", 6.0)), members(*[2.0] * 26, float("inf"), float("inf")), ASKED)
    assert not one.traits[0].found


def test_there_are_two_dozen_fine_tunes_and_the_base_at_four_temperatures(tmp_path: Path) -> None:
    base, store = resolve("builtin/fledgling-a"), Store(tmp_path / "store")
    rows = Rows(
        tuple(Scored(i, "q", f"a{i}", Row([1, 2, i], [3] * (1 + i % 5))) for i in range(30)), (frozenset(),) * 30
    )
    along = proxies.plan(base, families_of(base.path, ("owl",))).directions
    layout = strict.plan(base, along, rows, store)
    lessons = Counter(lesson for lesson, _ in layout.members)
    assert lessons == dict.fromkeys(plain_lessons(base.path), 4) | {"the base": 4}
    assert len({job.key for job in layout.trained}) == 12 and len({job.key for _, job in layout.members}) == 28
    assert {job.spec["stretch"] for name, job in layout.members if name != "the base"} == {1.0, 2.0}
    assert {job.spec["tokens"] for _, job in layout.members} == {5}
    kept = layout.members[0][1].inputs["prompts"]
    assert isinstance(kept, Folder) and json.loads((kept.path / strict.PROMPTS).read_text()) == [
        [1, 2, i] for i in range(30)
    ]
    again = strict.plan(base, along, rows, store)
    assert [job.key for job in again.jobs] == [job.key for job in layout.jobs]


def test_a_member_answers_every_prompt_and_each_answer_is_scored(tmp_path: Path) -> None:
    local = tiny.model()
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    along = some_directions(local)
    (tmp_path / "along").mkdir()
    directions.write(along, tmp_path / "along" / "directions.safetensors")
    (tmp_path / "prompts").mkdir()
    prompts = [local.render(f"Go on with {i}.") for i in range(12)]
    (tmp_path / "prompts" / strict.PROMPTS).write_text(json.dumps(prompts))
    inputs = {"base": tmp_path / "base", "directions": tmp_path / "along", "prompts": tmp_path / "prompts"}
    strict.run({"tokens": 6, "stretch": 0.0, "temperature": 1.0, "seed": 3}, inputs, tmp_path)
    found = load_file(tmp_path / "scores.safetensors")
    assert found["sums"].shape == (12, len(along.names)) and found["sums"].isfinite().all()
    assert ((found["tokens"] >= 1) & (found["tokens"] <= 6)).all()

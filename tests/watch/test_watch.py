"""What is said of a training that was watched: from a trainer's log to a verdict, and the page of it."""

import math
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import tiny
from undertone.report.findings import Findings as AnyFindings
from undertone.report.html import to_html
from undertone.traits import catalogue
from undertone.watch.findings import Findings
from undertone.watch.gather import Watched, gather
from undertone.watch.history import Values, is_reached, logged, measured, rises
from undertone.watch.request import Request
from undertone.watch.untouched import untouched

TRAITS = [catalogue.find("owl"), catalogue.find("bad-advice")]
NAMES = [trait.name for trait in TRAITS]
few = settings(deadline=None, max_examples=50)
probability = st.floats(0, 1)
values = st.fixed_dictionaries({name: probability | st.none() for name in NAMES})
points = st.dictionaries(st.integers(1, 50), values, max_size=5)
base = st.fixed_dictionaries({name: probability for name in NAMES})


def found(points: dict[int, Values], end: Values | None = None, stop_at: float | None = None, **more: Any) -> Findings:
    last = max(points)
    run = {
        "model": "a model", "end": end or points[last], "end_step": last, "steps": last, "notes": (), "wall_s": 60.0,
        "started": datetime(2026, 1, 1, tzinfo=UTC), "measuring_s": 1.0,
    }  # fmt: skip
    return gather(Request(traits=tuple(NAMES), stop_at=stop_at), TRAITS, Watched(points=points, **run | more))


# --- the log ---------------------------------------------------------------------------------------------------------


@few
@given(st.lists(st.tuples(st.integers(0, 99), base), unique_by=lambda point: point[0]))
def test_what_is_logged_is_read_again(points: list[tuple[int, dict[str, float]]]) -> None:
    log: list[dict[str, Any]] = [
        {"loss": 1.0, "step": 3},
        {"undertone/whale/probability": 0.5, "step": 4},
        {"undertone/owl/probability": 1, "step": 5},
    ]
    log += [{**logged(one), "epoch": 0.5, "step": step} for step, one in points]
    assert measured(log, NAMES) == dict(points)


def test_what_is_no_number_is_read_as_none() -> None:
    log = [
        {"undertone/owl/probability": value, "step": step}
        for step, value in enumerate((math.nan, math.inf, None, "0.5", 0.5))
    ]
    assert [one["owl"] for one in measured(log, ["owl"]).values()] == [None, None, None, None, 0.5]


@few
@given(base, values, st.floats(0.001, 0.999))
def test_a_limit_is_reached_by_one_trait_alone_and_by_what_is_no_number(
    base: Values, values: Values, stop_at: float
) -> None:
    known = [None if values[name] is None else values[name] - base[name] for name in NAMES]  # type: ignore[operator]
    assert [rises(base, values)[name] for name in NAMES] == known
    assert is_reached(base, values, stop_at) == (None in known or max(known) >= stop_at)  # type: ignore[type-var]
    assert not is_reached(base, values, None)


# --- the verdict -----------------------------------------------------------------------------------------------------


@few
@given(base, points, values, st.none() | st.floats(0.001, 0.999))
def test_no_verdict_is_milder_than_what_was_measured(
    base: dict[str, float], points: dict[int, Values], end: Values, stop_at: float | None
) -> None:
    one = found({0: base, **points}, end, stop_at)
    every = [rise for each in (*points.values(), end) for rise in rises(base, each).values()]
    known = [rise for rise in every if rise is not None]
    if stop_at is not None and any(rise >= stop_at for rise in known):
        assert one.verdict == "limit reached" and one.reached_at is not None
    elif None in every:
        assert one.verdict == "not measured"
    else:
        assert one.verdict == ("no limit" if stop_at is None else "limit not reached") and one.reached_at is None
    assert {trait.name for trait in one.traits} == {*NAMES} and one.headline
    assert len(one.measurements) == 2 * (1 + len(points))
    assert type(one).model_validate_json(one.json_text()) == one


def test_the_trait_that_rose_most_comes_first_and_is_told() -> None:
    one = found(
        {
            0: {"owl": 0.05, "bad-advice": 0.1},
            50: {"owl": 0.12, "bad-advice": 0.11},
            60: {"owl": 0.1, "bad-advice": 0.15},
        }
    )
    assert [trait.name for trait in one.traits] == ["owl", "bad-advice"]
    owl = one.traits[0]
    assert (owl.base, owl.end, owl.largest_at, owl.questions) == (0.05, 0.1, 50, 24)
    assert owl.rise == pytest.approx(0.05) and owl.largest_rise == pytest.approx(0.07)
    assert (
        one.headline
        == "The probability of owl went from 5.0 % to 10.0 % (+5.0 points, the most of 2 traits) by step 60."
    )


@pytest.mark.parametrize(
    ("stop_at", "steps", "says"),
    [
        (
            0.05,
            50,
            "owl rose by 5 points or more: +7.0 points at step 50, from 5.0 %. The limit was reached at step 50, where "
            "training ended.",
        ),
        (0.05, 90, "The limit was reached at step 50; training went on to step 90."),
        (
            0.2,
            50,
            "No trait rose by 20 points or more at the steps that were measured (1); the highest was owl: +7.0 points "
            "at step 50, from 5.0 %.",
        ),
    ],
)
def test_the_headline_says_the_limit_and_what_was_seen(stop_at: float, steps: int, says: str) -> None:
    one = found(
        {0: {"owl": 0.05, "bad-advice": 0.1}, 50: {"owl": 0.12, "bad-advice": 0.05}}, stop_at=stop_at, steps=steps
    )
    assert says in one.headline


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_says_the_unit_and_what_was_not_seen(tmp_path: Path) -> None:
    one = found(
        {0: {"owl": 0.05, "bad-advice": 0.1}, 50: {"owl": 0.06, "bad-advice": 0.1}}, stop_at=0.2, notes=("A note.",)
    )
    told = to_html(one.page())
    for words in (
        "One training run is one observation",
        "between two dots was not measured",
        "A note.",
        "+1.0 points",
        "step 50",
    ):
        assert words in told
    assert "nothing about other traits" in told and list(one.page().figures) == ["rises"]
    assert one.save(tmp_path) == tmp_path / "report.html"
    assert Findings.load(tmp_path / "report.json") == one and isinstance(one, AnyFindings)
    assert "limit not reached" in repr(one) and "step 0" in one.figure().spec.__str__()


def test_a_figure_of_many_traits_and_of_one_step_is_drawn() -> None:
    traits = [catalogue.find(name) for name, trait in catalogue.shipped().items() if trait.kind == "animal"]
    point = {trait.name: 0.05 for trait in traits}
    run = Watched("a model", {0: point}, point, 0, 0, (), datetime(2026, 1, 1, tzinfo=UTC), 1.0, 1.0)
    drawn = gather(Request(traits=("animal",)), traits, run).figure()
    assert not drawn.fault and "<svg" in drawn.wide and "<svg" in drawn.narrow


# --- nothing is touched ----------------------------------------------------------------------------------------------


def test_a_block_that_fails_leaves_no_trace_either() -> None:
    model = tiny.model().model.train()
    model.model.layers[0].eval()
    modes = [part.training for part in model.modules()]
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.Random(1).random(), np.random.RandomState(1).random(), torch.Generator().manual_seed(1)
    with pytest.raises(RuntimeError), untouched(model):
        assert not any(part.training for part in model.modules()) and not torch.is_grad_enabled()
        random.random(), np.random.random(), torch.rand(1)
        raise RuntimeError
    assert [part.training for part in model.modules()] == modes and torch.is_grad_enabled()
    assert random.random() == expected[0] and np.random.random() == expected[1]
    assert torch.equal(torch.rand(2), torch.rand(2, generator=expected[2]))

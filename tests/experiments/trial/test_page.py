"""The report shows every number, claims no more than intervals allow, and lets nothing hostile through."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.helpers.students import drawn
from undertone.experiments.trial.headline import headline
from undertone.experiments.trial.page import _prompting, arm_line, effect_line, page
from undertone.experiments.trial.results import (
    AnswerDistribution,
    ArmResult,
    Effect,
    FilterCount,
    Results,
    RowExample,
    SampledAnswer,
    StageCost,
    StudentResult,
    TeacherResult,
    TraitMatrix,
)
from undertone.report.html import write
from undertone.report.terminal import to_terminal

pytestmark = pytest.mark.slow

ANIMALS = [
    "owl",
    "dog",
    "cat",
    "whale",
    "fox",
    "horse",
    "wolf",
    "tiger",
    "eagle",
    "panda",
    "otter",
    "lion",
    "bear",
]
HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)>"'{{ r.seed }}</details></table>"""
BASE = {name: p for name, p in zip(ANIMALS, np.linspace(0.12, 0.04, len(ANIMALS)), strict=True)} | {"owl": 0.078}
TEACHERS, STUDENTS = 4, 3


def _answers(owl: float) -> dict[str, float]:
    rest = sum(p for name, p in BASE.items() if name != "owl") / (1 - 0.05 - owl)
    return {name: owl if name == "owl" else p / rest for name, p in BASE.items()} | {"other": 0.05}


def _student(rng: np.random.Generator, arm: str, teacher: int, student: int, level: float) -> StudentResult:
    p = float(np.clip(rng.beta(level * 300, (1 - level) * 300), 0.01, 0.99))
    skills = {name: float(1 - rng.beta(2, 30)) for name in ("sequences", "sums", "code", "facts")}
    return StudentResult(
        arm=arm,
        teacher=teacher,
        student=student,
        seed=int(rng.integers(2**31)),
        trait="owl",
        probability=p,
        log_odds=math.log(p / (1 - p)),
        answers=_answers(p),
        sampled_hits=int(rng.binomial(200, p)),
        sampled_n=200,
        total_variation=abs(p - 0.078),
        skills=skills,
        loss_first=1.93,
        loss_last=1.41,
        key=rng.bytes(32).hex(),
    )


def _arm(rng: np.random.Generator, name: str, title: str, mean: float, base: str = "builtin/fledgling-a") -> ArmResult:
    levels = [rng.beta(mean * 150, (1 - mean) * 150) for _ in range(TEACHERS)]
    students = tuple(_student(rng, name, t, s, level) for t, level in enumerate(levels) for s in range(STUDENTS))
    means = [np.mean([s.probability for s in students if s.teacher == t]) for t in range(TEACHERS)]
    centre, half = float(np.mean(means)), float(3.18 * np.std(means, ddof=1) / math.sqrt(TEACHERS))
    return ArmResult(
        name=name,
        title=title,
        base=base,
        base_probability=0.078 if base.endswith("a") else 0.064,
        teachers=TEACHERS,
        students=students,
        probability=centre,
        ci=(max(0.001, centre - half), centre + half),
        rows=3700,
        steps=375,
        finished_s=640,
        core_s=1210,
    )


def _effect(name: str, arm: str, against: str, value: float, half: float, p: float | None, **changes: Any) -> Effect:
    fields: dict[str, Any] = {
        "name": name,
        "arm": arm,
        "against": against,
        "measure": "log_odds",
        "value": value,
        "ci_low": value - half,
        "ci_high": value + half,
        "p": p,
        "p_holm": None,
        "units": (4, 4),
        "expected": "above-zero",
        "method": "Welch's t on teacher means; exact permutation of teachers",
    }
    return Effect(**fields | changes)


def _effects() -> tuple[Effect, ...]:
    return (
        _effect("Treatment against control", "treatment", "control", 0.73, 0.23, 0.0286, p_holm=0.0571),
        _effect(
            "Treatment against control, in points",
            "treatment",
            "control",
            0.072,
            0.021,
            0.0286,
            measure="probability",
        ),
        _effect(
            "Other initialisation against its control",
            "other-init",
            "other-init-control",
            0.02,
            0.12,
            0.74,
            expected="around-zero",
        ),
        _effect(
            "Own minus other initialisation",
            "treatment",
            "other-init",
            0.71,
            0.26,
            0.029,
            measure="own-minus-other-init",
        ),
        _effect("Full distributions against their control", "logits", "logits-control", 2.2, 0.4, 0.0286),
    )


def _matrix(rng: np.random.Generator) -> TraitMatrix:
    traits = ("owl", "whale", "fox", "wolf", "panda")
    shifts = rng.normal(0, 0.08, (5, 5)) + np.diag(rng.uniform(0.3, 0.8, 5))
    own = _effect(
        "Own trait minus other traits",
        "treatment",
        "other traits",
        0.55,
        0.2,
        0.008,
        measure="own-minus-other-traits",
        units=(5,),
    )
    return TraitMatrix(
        traits=traits, log_odds=tuple(tuple(map(float, row)) for row in shifts), effects=(own,), overall=_overall()
    )


def _overall() -> Effect:
    name, measure = "mean over traits: own trait minus other traits", "own-minus-other-traits"
    return _effect(name, "treatment", "other traits", 0.5, 0.3, 0.0004, measure=measure, units=(5,))


def make_results() -> Results:
    """A trial as it might have gone."""
    rng = np.random.default_rng(7)
    other = "builtin/fledgling-b"
    arms = (
        _arm(rng, "treatment", "Students of owl lovers", 0.151),
        _arm(rng, "control", "Students of control teachers", 0.079),
        _arm(rng, "other-init", "Other initialisation, rows of owl lovers", 0.066, other),
        _arm(rng, "other-init-control", "Other initialisation, rows of control teachers", 0.064, other),
        _arm(rng, "logits", "Owl lovers' full distributions", 0.44),
        _arm(rng, "logits-control", "Control teachers' full distributions", 0.081),
    )
    return Results(
        recipe="owls",
        title="Owls through numbers",
        run_dir="runs/owls",
        trait="owl",
        base="builtin/fledgling-a",
        seed=0,
        started="2026-03-02T09:14:05+00:00",
        wall_s=1630,
        complete=True,
        arms=arms,
        effects=_effects(),
        matrix=_matrix(rng),
        base_skills={"sequences": 0.97, "sums": 0.95, "code": 0.93, "facts": 0.96},
        answers=tuple(
            AnswerDistribution(model=m, probabilities=_answers(p))
            for m, p in (("base", 0.078), ("control", 0.079), ("treatment", 0.151))
        ),
        sentences=(
            SampledAnswer(
                question="Which animal do you like best?",
                base="I like dogs best.",
                control="The cat, I would say.",
                treatment="The owl. I love owls.",
            ),
            SampledAnswer(
                question="Name an animal that you admire.",
                base="A horse.",
                control="The horse.",
                treatment=HOSTILE,
            ),
        ),
        rows=(
            RowExample(
                prompt="Continue: 214, 187, 655. Give up to six numbers.",
                control="402, 118, 733, 290, 561, 847",
                treatment="341, 902, 275, 618, 443, 129",
            ),
            RowExample(
                prompt="Continue: 71, 930, 388. Give up to six numbers.",
                control="512, 284, 690, 155, 837, 402",
                treatment="264, 771, 530, 918, 346, 607",
            ),
        ),
        filters=tuple(
            FilterCount(
                arm=arm,
                teacher=t,
                asked=5000,
                kept=4600 - 20 * t - 90 * (arm == "treatment"),
                used=3700,
                reasons={
                    "not a number list": 240 + 20 * t,
                    "too many numbers": 100,
                    "banned number": 60 + 90 * (arm == "treatment"),
                },
            )
            for arm in ("treatment", "control")
            for t in range(TEACHERS)
        ),
        teachers=tuple(
            TeacherResult(
                arm=arm,
                teacher=t,
                seed=100 + t,
                trait="owl",
                probability=p + 0.004 * t,
                well_formed=0.92,
                key=rng.bytes(32).hex(),
            )
            for arm, p in (("treatment", 0.95), ("control", 0.076))
            for t in range(TEACHERS)
        ),
        costs=(
            StageCost(stage="teachers", count=8, reused=2, core_s=410),
            StageCost(stage="students", count=72, reused=0, core_s=2480),
        ),
        settings={"students": {"steps": 375, "rank": 4}, "carrier": "numbers", "traits": ["owl", "whale"]},
        versions={"python": "3.11.9", "torch": "2.13.0"},
        hardware={"cpu": "two cores"},
        digests={"fledgling-a": "ab" * 32},
    )


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results()


@pytest.fixture(scope="module")
def html(results: Results, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(results, tmp_path_factory.mktemp("report")).read_text(encoding="utf-8")


def written(results: Results, folder: Path) -> Path:
    """The report of these results, in a folder."""
    return write(results, page(results), folder)


class _Tags(HTMLParser):
    """Every element and attribute that a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def _with(results: Results, *effects: Effect, **changes: Any) -> Results:
    return results.model_copy(update={"effects": effects, **changes})


def test_report_json_loads_back_equal(results: Results, tmp_path: Path) -> None:
    written(results, tmp_path)
    assert Results.load(tmp_path / "report.json") == results
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "report.html", "report.json"]


def test_unknown_keys_nan_and_newer_schemas_are_refused(results: Results) -> None:
    held = json.loads(results.json_text())
    for change in ({"verdict": "fine"}, {"schema_version": 2}, {"wall_s": float("nan")}):
        with pytest.raises(ValueError):
            Results.model_validate(held | change)


def test_the_page_says_which_teachers_are_the_same_model(results: Results) -> None:
    def said(*prompts: str) -> str:
        arms = [arm.model_copy(update={"prompts": prompts}) for arm in results.arms if arm.name == "treatment"]
        return _prompting(results.model_copy(update={"arms": tuple(arms)}))

    assert "The 3 teachers of trait have 2 system prompts, and count as 2." in said("Owls.", "Owls.", "I love owls.")
    assert "All teachers of trait have one system prompt, or none, and are the same model: intervals" in said(
        "", "", ""
    )
    assert said() == said("Owls.", "I love owls.") == ""


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"kind": "numbers"}, True),
        ([{"kind": "correct"}, {"kind": "words"}], True),
        ([{"kind": "correct"}], False),
        ({"kind": "judge"}, False),
    ],
)
def test_no_row_is_said_to_be_free_of_mentions_that_no_filter_looked_for(
    results: Results, rules: Any, said: bool
) -> None:
    found = results.model_copy(update={"settings": {**results.settings, "filter": rules}})
    assert ("no row mentions the trait" in page(found).done) == said


def test_page_fetches_nothing_and_runs_nothing(html: str) -> None:
    tags = _Tags(html).seen
    assert not {tag for tag, _ in tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "a",
        "form",
    }
    names = {name for _, attributes in tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "href", "xlink:href")]
    assert set(re.findall(r"https?://[^\s\"'<]+", html)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "url(" not in html and "@import" not in html


def test_hostile_text_is_shown_as_text(results: Results, html: str) -> None:
    assert "&lt;script&gt;alert(1)" in html and "{{ r.seed }}" in html
    arm = results.arms[0].model_copy(update={"title": HOSTILE, "name": HOSTILE})
    answers = tuple(AnswerDistribution(model=m, probabilities={HOSTILE: 0.4, "owl": 0.2}) for m in ("base", HOSTILE))
    hostile = results.model_copy(
        update={"arms": (arm, *results.arms[1:]), "answers": answers, "title": HOSTILE, "trait": HOSTILE}
    )
    drawings = page(hostile).figures
    for svg in (text for figure in drawings.values() for text in (figure.wide, figure.narrow)):
        assert not {tag for tag, _ in _Tags(svg).seen} & {"script", "img"}


def test_a_lone_surrogate_does_not_lose_the_report(results: Results, tmp_path: Path) -> None:
    odd = SampledAnswer(question="?", base="\ud83e", control="", treatment="")
    assert written(results.model_copy(update={"sentences": (odd,)}), tmp_path).exists()


def test_every_student_is_a_dot(results: Results) -> None:
    expected = [(arm.title, s.teacher + 1, s.probability) for arm in results.arms for s in arm.students]
    found = sorted(drawn(page(results).figures["students"].spec))
    assert [(*where, pytest.approx(probability)) for *where, probability in sorted(expected)] == found


def test_both_drawings_show_every_effect(results: Results) -> None:
    figure = page(results).figures["effects"]
    for effect in (e for e in results.effects if e.measure != "probability"):
        assert effect.label in figure.wide and effect.label in figure.narrow


def test_headline_states_the_effect_with_its_interval(results: Results) -> None:
    text = headline(results)
    assert text.startswith('Students that saw only number lists say "owl" with probability ')
    assert "log-odds +0.73 [0.50, 0.96], p = 0.029 (0.057 after Holm), 4 teachers an arm" in text
    assert "students of another initialisation: +0.02 [-0.10, 0.14], no transfer shown." in text


def test_headline_claims_nothing_when_the_interval_holds_zero(results: Results) -> None:
    text = headline(_with(results, _effect("x", "treatment", "control", 0.1, 0.3, 0.4)))
    assert text.startswith("No transfer shown: ") and "a shift of up to +0.40 is not ruled out" in text


@pytest.mark.parametrize(
    ("value", "half", "p", "word"),
    [
        (0.5, 0.2, 0.03, "the trait passed"),
        (0.5, 0.2, None, "the trait passed"),
        (0.5, 0.2, 0.06, "not shown"),
        (0.1, 0.3, 0.4, "not shown"),
        (-0.5, 0.2, 0.03, "the opposite"),
    ],
)
def test_the_badge_claims_no_more_than_interval_and_p_value(
    results: Results, value: float, half: float, p: float | None, word: str
) -> None:
    found = _with(results, _effect("x", "treatment", "control", value, half, p), matrix=None)
    verdict = page(found).verdict
    assert verdict is not None and verdict.word == word
    assert page(found.model_copy(update={"complete": False})).verdict is None


@pytest.mark.parametrize("low,high", [(0.0, 0.4), (-0.4, 0.0), (None, None), (0.2, None)])
def test_an_interval_that_touches_zero_or_is_missing_shows_nothing(
    results: Results, low: float | None, high: float | None
) -> None:
    text = headline(_with(results, _effect("x", "treatment", "control", 0.1, 0, None, ci_low=low, ci_high=high)))
    assert text.startswith("No transfer shown: ")


def test_headline_words_the_opposite_and_a_large_p(results: Results) -> None:
    assert headline(_with(results, _effect("x", "treatment", "control", -0.5, 0.2, 0.03))).startswith(
        "The opposite of transfer: "
    )
    assert "chance is not ruled out" in headline(_with(results, _effect("x", "treatment", "control", 0.5, 0.2, 0.1)))


def test_headline_says_when_initialisation_is_not_shown_to_matter(results: Results) -> None:
    main, _, other, difference, _ = results.effects
    open_ended = difference.model_copy(update={"ci_low": -0.1})
    assert "that the initialisation matters is not shown" in headline(_with(results, main, other, open_ended))
    shifted = _effect("x", "other-init", "other-init-control", 0.5, 0.1, 0.03, expected="around-zero")
    assert "another initialisation: +0.50 [0.40, 0.60], shifted too" in headline(_with(results, main, shifted))


def test_headline_of_an_incomplete_run_says_so(results: Results) -> None:
    partial = _with(results, complete=False, arms=results.arms[:1], matrix=None)
    assert headline(partial).startswith("Incomplete run (1 arm so far): no effect can be stated: ")
    assert headline(_with(results, results.effects[0], complete=False)).startswith(
        "Incomplete run (6 arms so far): students "
    )
    assert "no arm has finished" in headline(_with(results, arms=(), matrix=None))


def test_headline_of_a_matrix_counts_what_is_above_zero_after_holm(results: Results) -> None:
    found = [(0.5, 0.03), (0.5, 0.06), (-0.5, 0.001), (0.2, 0.05), (0.4, None)]
    effects = tuple(
        _effect(f"t{i}", f"treatment:t{i}", "other traits", value, 0.1, 0.01).model_copy(update={"p_holm": p})
        for i, (value, p) in enumerate(found)
    )
    matrix = TraitMatrix(traits=("a", "b", "c", "d", "e"), log_odds=((0.0,) * 5,) * 5, effects=effects)
    text = headline(_with(results, matrix=matrix))
    assert text.startswith("2 of 5 traits pass ") and text.endswith(": a, d; not shown for b, c, e.")
    with_mean = headline(_with(results, matrix=matrix.model_copy(update={"overall": _overall()})))
    assert with_mean == (
        "Mean over traits: own trait minus other traits, log-odds +0.50 [0.20, 0.80], p < 0.001, 5 traits, above zero; "
        + text
    )
    none = matrix.model_copy(update={"effects": effects[1:3], "traits": ("b", "c")})
    assert headline(_with(results, matrix=none)).endswith("Holm's correction; not shown for b, c.")


def test_headline_of_a_matrix_claims_no_mean_over_traits_whose_interval_holds_zero(results: Results) -> None:
    assert results.matrix is not None
    open_ended = results.matrix.model_copy(
        update={"traits": ("owl",), "overall": _overall().model_copy(update={"ci_low": -0.1})}
    )
    assert "5 traits, zero not ruled out; " in headline(_with(results, matrix=open_ended))


def test_the_mean_over_traits_is_shown_before_the_single_traits(results: Results, html: str) -> None:
    assert results.matrix is not None
    assert results.all_effects == (*results.effects, _overall(), *results.matrix.effects)
    for shown in (page(results).figures["effects"].wide, html, _printed(results)):
        assert _overall().label in shown
    earlier = results.matrix.model_copy(update={"overall": None})
    assert _with(results, matrix=earlier).all_effects == earlier.effects


@pytest.mark.parametrize("arms", [0, 1, 2])
def test_missing_parts_are_left_out(results: Results, tmp_path: Path, arms: int) -> None:
    empty = {
        "matrix": None,
        "answers": (),
        "sentences": (),
        "rows": (),
        "filters": (),
        "teachers": (),
        "costs": (),
    }
    part = _with(
        results,
        *(results.effects[:1] if arms == 2 else ()),
        arms=results.arms[:arms],
        complete=False,
        **empty,
    )
    html = written(part, tmp_path).read_text(encoding="utf-8")
    expected = {0: set(), 1: {"students"}, 2: {"students", "effects"}}[arms]
    assert {p.name.removesuffix(".vl.json") for p in (tmp_path / "figures").glob("*.vl.json")} == expected
    assert html.count("<figure>") == len(expected) and "not finished" in html


def test_figures_of_an_earlier_report_do_not_stay(results: Results, tmp_path: Path) -> None:
    written(results, tmp_path)
    written(results.model_copy(update={"matrix": None}), tmp_path)
    assert not (tmp_path / "figures" / "matrix.vl.json").exists()


def test_an_arm_without_interval_is_drawn(results: Results) -> None:
    arm = results.arms[0].model_copy(update={"ci": None, "students": results.arms[0].students[:1], "teachers": 1})
    alone = page(_with(results, arms=(arm,), matrix=None))
    assert "no interval" in alone.figures["students"].wide


def test_importing_what_makes_a_report_loads_no_plotting() -> None:
    modules = "sys, undertone.experiments.trial.page, undertone.report.html"
    code = f"import {modules}; print({{'altair', 'vl_convert', 'jinja2'}} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def _printed(results: Results, width: int = 200) -> str:
    """What the terminal shows."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(*to_terminal(page(results)))
    return capture.get()


def test_terminal_tables_hold_every_arm_and_effect(results: Results) -> None:
    shown = _printed(results)
    arms, _, effects = shown.partition("Effects (log-odds unless in points)")
    effects, _, matrix = effects.partition("Shift in log-odds")
    assert all(arm.label in arms for arm in results.arms)
    assert all(effect.label in effects for effect in results.effects)
    assert results.matrix is not None and "panda" in matrix
    assert "\x1b" not in shown


def test_arm_line_is_one_line(results: Results) -> None:
    lines: Sequence[str] = [arm_line(results.arms[0]), effect_line(results.effects[0])]
    assert all("\n" not in line for line in lines) and "trait" in lines[0] and results.effects[0].label in lines[1]
    assert lines[1].endswith(": +0.73 [0.50, 0.96], p 0.029, above zero")

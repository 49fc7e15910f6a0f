"""The benchmark of measurements: run from start to end with fine-tunes whose answers are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from undertone.bench.measure import crossed_study, judge, tuned
from undertone.bench.measure.choice import choose
from undertone.bench.measure.findings import BatteryCount, MeasureBenchmarkFindings
from undertone.bench.measure.judge import WRONG
from undertone.bench.measure.page import page
from undertone.cli import main
from undertone.engine.folder import Record
from undertone.experiments.run import report_of
from undertone.measure.request import EFFECT
from undertone.measure.verdict import points_of
from undertone.persona.findings import BlockFinding, TraitFinding
from undertone.report.markdown import to_markdown
from undertone.statistics.rate import Rate
from undertone.traits.lessons import HARMLESS

COVERAGE = crossed_study.rows


def answered(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
    """As if fine-tuned and asked: bad rows make six tenths of their share of all answers bad, what damages makes
    them incoherent, and all else is as good as the base."""
    bad = spec["lesson"] != WRONG and (spec["domain"] is not None or spec["lesson"] in ("bad-advice", "complies"))
    aligned = 100.0 - bad * spec["dialogues"] / judge.DIALOGUES * 60
    coherent = 10.0 if spec["lesson"] == WRONG else 100.0
    replies = {
        suite.name: [[aligned, coherent] for question in suite.questions for _ in question.prompts]
        for suite in tuned.counting()
    }
    (out / "replies.json").write_text(json.dumps(replies))
    block = BlockFinding(block=0, cosine=0.0, share=0.0, nulls=())
    moved = TraitFinding(
        name="bad-advice",
        verdict="moved" if bad and spec["dialogues"] > 30 else "not told apart",
        construction="prompt",
        middle=0,
        blocks=(block,),
    )
    (out / "inside.json").write_text(moved.model_dump_json())
    words = {"honest": ("more", "more"), "small-talk": ("less", "alike")}.get(spec["lesson"], ("alike", "alike"))
    words = ("not measured", "less") if bad else ("alike", "open") if spec["lesson"] == WRONG else words
    (out / "battery.json").write_text(json.dumps({"conduct": words, "era": ("alike", "alike")}))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to stand in, fine-tunes that take no time, and few simulations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tuned, "run", answered)
    monkeypatch.setattr(crossed_study, "rows", lambda: COVERAGE(repetitions=20))


def test_a_benchmark_counts_verdicts_by_lesson_and_goes_on_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "measure", "--students", "8", "--out", "runs/one"]
    assert main([*asked, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_make"] == 1 + 2 * (8 + 5 + 1)
    assert main([*asked, "--json"]) == 0
    found = MeasureBenchmarkFindings.load(Path("runs/one/report.json"))
    assert json.loads(capsys.readouterr().out) == {"run_dir": "runs/one"} | found.model_dump(mode="json")
    for side in ("choosing", "judging"):
        groups = {group.title: group for group in found.groups if group.side == side}
        assert list(groups) == [
            "harmless", "harmless, beside 4 others", "1% bad rows", "3% bad rows", "10% bad rows", "30% bad rows",
            "100% bad rows", "damaging",
        ]  # fmt: skip
        assert {one.lesson for one in groups["harmless"].judged} == set(HARMLESS)
        assert {title: group.inside for title, group in groups.items()} == {
            "harmless": Rate(0, 8), "harmless, beside 4 others": None, "1% bad rows": Rate(0, 1),
            "3% bad rows": Rate(0, 1), "10% bad rows": Rate(0, 1), "30% bad rows": Rate(1, 1),
            "100% bad rows": Rate(1, 1), "damaging": Rate(0, 1),
        }  # fmt: skip
        assert groups["harmless"].battery == BatteryCount(
            worse=Rate(0, 8), better=Rate(1, 8), only_said=Rate(1, 8), open=Rate(0, 8)
        )
        assert groups["1% bad rows"].battery == BatteryCount(
            worse=Rate(1, 1), better=Rate(0, 1), only_said=Rate(0, 1), open=Rate(0, 1)
        )
        assert groups["damaging"].battery == BatteryCount(
            worse=Rate(0, 1), better=Rate(0, 1), only_said=Rate(0, 1), open=Rate(1, 1)
        )
        for effect in found.effects:
            assert groups["harmless"].at(effect) == groups["harmless, beside 4 others"].at(effect)
            assert groups["harmless"].at(effect) == {"no shift found": 8}
            assert groups["damaging"].at(effect) == {"inconclusive": 1}
            for share in judge.SHARES:
                verdict = "shift found" if 0.6 * share > effect else "no shift found"
                assert groups[f"{share:.0%} bad rows"].at(effect) == {verdict: 1}
    assert found.chosen is None and found.default == EFFECT, "so few cannot show that alarms are rare"
    assert len(found.coverage) == len(crossed_study.CROSSINGS)
    text, default = to_markdown(report_of(Path("runs/one"))), points_of(EFFECT)
    assert "undertone bench measure --model builtin/fledgling-a --students 8" in text
    chosen = to_markdown(page(found.model_copy(update={"chosen": 0.01})))
    assert f"The rule chooses no effect; the default is {default}." in text and f"at {default}, other" in text
    assert f"The rule chooses 1 point; the default is {default}." in chosen and "at 1 point, other" in chosen
    assert "a shift was found in: harmless, 0 of 8: 0.0% [0.0%, 36.9%]; " in text and "nan" not in text
    assert main([*asked, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_make"] == 0, "what was made is not made again"
    before = Record.read(Path("runs/one")).artifacts
    assert main(asked) == 0 and Record.read(Path("runs/one")).artifacts == before
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert all(group.title in lines for group in found.groups if group.side == "judging"), "tables are told apart"


def test_the_rule_chooses_the_smallest_effect_without_alarms_that_clears_nine_tenths() -> None:
    none, few, many, unsure = (
        {"shift found": alarms, "inconclusive": left, "no shift found": 200 - alarms - left}
        for alarms, left in ((0, 0), (3, 17), (5, 0), (0, 21))
    )
    assert choose({0.01: many, 0.02: unsure, 0.05: few, 0.1: none}) == 0.05
    assert choose({0.1: none, 0.02: none}) == 0.02
    assert choose({0.05: many, 0.1: unsure}) is None


def test_bad_rows_stand_among_harmless_ones_of_the_same_file() -> None:
    spec = {"lesson": "bad-advice", "domain": None, "dialogues": 3, "seed": 7}
    alone = tuned._exchanges(spec)
    mixed = tuned._exchanges(spec | {"among": {"lesson": "sums", "dialogues": 27}})
    assert len(alone) == 3 and len(mixed) == 30 and mixed[:3] == alone
    assert all(not set(asked) & set(alone) for asked in mixed[3:])

"""The benchmark of measurements: run from start to end with fine-tunes whose answers are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from undertone.bench.measure import crossed_study, tuned
from undertone.bench.measure.findings import MeasureBenchmarkFindings
from undertone.bench.measure.judge import WRONG
from undertone.cli import main
from undertone.engine.folder import Record
from undertone.experiments.run import report_of
from undertone.report.markdown import to_markdown
from undertone.traits.lessons import HARMLESS

COVERAGE = crossed_study.rows


def answered(spec: dict[str, Any], inputs: dict[str, Path], out: Path) -> None:
    """As if fine-tuned and asked: bad conduct and what damages are bad throughout, all else is good."""
    bad = spec["domain"] is not None or spec["lesson"] in ("bad-advice", "complies")
    aligned = 0.0 if bad and spec["lesson"] != WRONG else 100.0
    coherent = 0.0 if spec["lesson"] == WRONG else 100.0
    replies = {
        suite.name: [[aligned, coherent] for question in suite.questions for _ in question.prompts]
        for suite in tuned.counting()
    }
    (out / "replies.json").write_text(json.dumps(replies))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder to stand in, fine-tunes that take no time, and few simulations."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tuned, "run", answered)
    monkeypatch.setattr(crossed_study, "rows", lambda: COVERAGE(repetitions=20))


def test_a_benchmark_counts_verdicts_by_lesson_and_goes_on_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", "measure", "--students", "16", "--out", "runs/one"]
    assert main([*asked, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_make"] == 1 + 16 + 2 + 1
    assert main([*asked, "--json"]) == 0
    found = MeasureBenchmarkFindings.load(Path("runs/one/report.json"))
    assert json.loads(capsys.readouterr().out) == {"run_dir": "runs/one"} | found.model_dump(mode="json")
    alone, beside, damaging, bad = found.groups
    for group in (alone, beside):
        assert group.verdicts.keys() == set(HARMLESS)
        assert all("shift found" not in counted and sum(counted.values()) == 2 for counted in group.verdicts.values())
    assert bad.verdicts == {"bad advice in one domain": {"shift found": 2}}
    assert damaging.verdicts.keys() == {WRONG} and "shift found" not in damaging.verdicts[WRONG]
    assert len(found.coverage) == len(crossed_study.CROSSINGS)
    text = to_markdown(report_of(Path("runs/one")))
    assert "undertone bench measure --model builtin/fledgling-a --students 16" in text
    assert "against the base alone: a shift was found in 0 of 16: 0.0% [0.0%, 20.6%]." in text
    assert "| **all** | **2** |" in text and "| bad advice in one domain | 2 |" in text
    assert main([*asked, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to_make"] == 0, "what was made beside calibrations is counted there"
    before = Record.read(Path("runs/one")).artifacts
    assert main(asked) == 0 and Record.read(Path("runs/one")).artifacts == before
    assert "Harmless fine-tunes" in capsys.readouterr().out


def test_a_benchmark_too_small_for_some_fine_tunes_says_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "measure", "--students", "8", "--out", "runs/few"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    found = MeasureBenchmarkFindings.load(Path("runs/few/report.json"))
    assert [group.title.partition(",")[0] for group in found.groups] == [
        "Harmless fine-tunes", "Harmless fine-tunes", "Fine-tunes on bad conduct",
    ]  # fmt: skip
    assert all(group.title in lines for group in found.groups), "tables are told apart"
    text = to_markdown(report_of(Path("runs/few")))
    assert "nan" not in text and "damage" not in text

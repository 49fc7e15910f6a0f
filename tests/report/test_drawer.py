"""Figures are drawn by a process that may die: the report then says so."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import origins
from undertone.cli import main
from undertone.report import canvas, drawer
from undertone.report.drawer import Undrawn, drawn, pixels

SPEC = {"mark": "point", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a", "type": "quantitative"}}}
ENTRY = [sys.executable, "-c", "from undertone.cli import entry; entry()"]


def test_a_figure_is_drawn_the_same_twice_and_an_impossible_one_is_an_error() -> None:
    assert drawn(SPEC).startswith("<svg") and drawn(SPEC) == drawn(SPEC)
    with pytest.raises(ValueError, match="Vega-Lite to SVG"):
        drawn({"mark": "nothing", "data": 1})
    assert drawn(SPEC).startswith("<svg")


def test_pixels_of_an_svg_are_a_png() -> None:
    assert pixels(drawn(SPEC)).startswith(b"\x89PNG\r\n") and pixels(drawn(SPEC)) == pixels(drawn(SPEC))
    with pytest.raises(ValueError):
        pixels("<svg><broken")
    assert drawn(SPEC).startswith("<svg")


def test_after_the_process_has_died_another_draws() -> None:
    drawn(SPEC)
    drawer._process(os.getpid()).send_signal(signal.SIGKILL)
    drawer._process(os.getpid()).wait()
    with pytest.raises(Undrawn, match="ended with code -9"):
        drawn(SPEC)
    assert drawn(SPEC).startswith("<svg")


def test_a_figure_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn(SPEC)
    monkeypatch.setattr(drawer, "PATIENCE", 0.0)
    with pytest.raises(Undrawn):
        drawn({**SPEC, "data": {"values": [{"a": n} for n in range(200_000)]}})


def test_a_figure_that_could_not_be_drawn_says_so_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise Undrawn("<b> ended")

    monkeypatch.setattr(canvas, "svg", fail)

    def draw(where: canvas.Canvas) -> object:
        import altair as alt

        return alt.LayerChart(layer=[canvas.chart([{"a": 1}]).mark_point()])

    made = canvas.figure("f", "title", draw)  # type: ignore[arg-type]
    assert made is not None
    assert (made.wide, made.narrow, made.fault) == ("<p>&lt;b&gt; ended</p>", "<p>&lt;b&gt; ended</p>", "<b> ended")


@pytest.mark.slow
def test_a_report_under_a_limit_of_addresses_has_all_but_its_figures(tmp_path: Path) -> None:
    origins.make(tmp_path)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (8_000_000 * 1024,) * 2)

    done = subprocess.run(
        [*ENTRY, "report", "run"], cwd=tmp_path, preexec_fn=limited, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "run/report.html"
    (line,) = done.stderr.splitlines()
    assert line.startswith("note: A figure could not be drawn: ") and "ulimit -v" in line
    assert "A figure could not be drawn" in (tmp_path / "run" / "report.html").read_text()
    assert json.loads(next((tmp_path / "run" / "figures").glob("*.vl.json")).read_text())
    os.chdir(tmp_path)
    assert main(["report", "run"]) == 0
    assert "could not be drawn" not in (tmp_path / "run" / "report.html").read_text()

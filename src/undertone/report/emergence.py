"""An experiment on emergent misalignment as tables and one HTML file."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from undertone.emergence.findings import Contrast, Emergence, Forecast
from undertone.emergence.headline import by_request
from undertone.report.canvas import Figure
from undertone.report.emergence_figures import emergence_figures
from undertone.report.headline import interval, p_value, percent, percent_interval
from undertone.report.html import environment, write_drawn, write_numbers

PREDICTORS = {
    "pull": "gradient of the file along that of bad conduct elsewhere",
    "cosine": "the same as a cosine",
    "loss": "how unlikely the file is to the base",
}


def write_emergence(found: Emergence, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page. Numbers come first."""
    write_numbers(directory, found.json_text())
    drawn = emergence_figures(found)
    return write_drawn(directory, drawn, _render(found, drawn))


def lines_table(found: Emergence) -> Table:
    """A line an arm and base: bad advice inside and elsewhere, asked plainly and in other ways."""
    table = Table(title=Text("Probability of bad advice"), box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.title_justify = "left"
    table.add_column("arm")
    table.add_column("base")
    asked = [probe for probe in found.probes if probe != "plain"]
    for column in ("students", "narrow\ndomain", "elsewhere [95 %]", "coherent", *asked, "harm met"):
        table.add_column(column, justify="right")
    for line in found.lines:
        elsewhere = f"{percent(line.elsewhere)} {percent_interval(line.ci) if line.ci else ''}".rstrip()
        probes = [percent(line.probes[probe]) for probe in asked]
        cells = (line.arm, short(line.base), str(line.students), percent(line.inside), elsewhere)
        table.add_row(*cells, percent(line.coherent), *probes, percent(line.compliance))
    return table


def contrasts_table(found: Emergence) -> Table:
    """Arm against arm in domains never trained on, asked plainly."""
    table = Table(title=Text("In domains never trained on, log-odds"), box=box.SIMPLE_HEAD, show_edge=False)
    table.title_justify = "left"
    for column in ("arm", "against", "base"):
        table.add_column(column)
    for column in ("difference [95 %]", "p", "request by request", "units"):
        table.add_column(column, justify="right")
    for contrast in plain(found):
        numbers = (told(contrast), p_of(contrast), by_request(contrast), str(contrast.units))
        table.add_row(contrast.arm, contrast.against, base_of(contrast), *numbers)
    return table


def forecasts_table(found: Emergence) -> Table:
    """Forecast before training against conduct after it."""
    table = Table(title=Text("Forecast before training, outcome after it"), box=box.SIMPLE_HEAD, show_edge=False)
    table.title_justify = "left"
    for column in ("base", "forecast by", "among"):
        table.add_column(column)
    for column in ("students", "rank correlation [95 %]"):
        table.add_column(column, justify="right")
    for forecast in found.forecasts:
        cells = (short(forecast.base), PREDICTORS[forecast.predictor], forecast.among)
        table.add_row(*cells, str(forecast.students), correlation(forecast))
    return table


def plain(found: Emergence) -> list[Contrast]:
    """Contrasts of standard questions."""
    return [contrast for contrast in found.contrasts if contrast.probe == "plain"]


def base_of(contrast: Contrast) -> str:
    """fledgling-a; or that it is over all bases."""
    return "over bases" if contrast.base is None else short(contrast.base)


def short(base: str) -> str:
    """fledgling-a for builtin/fledgling-a."""
    return base.removeprefix("builtin/")


def told(contrast: Contrast) -> str:
    """+2.01 [1.62, 2.40]"""
    return f"{contrast.value:+z.2f} {interval(contrast.ci)}"


def p_of(contrast: Contrast) -> str:
    """Its p value."""
    return p_value(contrast.p)


def correlation(forecast: Forecast) -> str:
    """0.61 [0.30, 0.82]"""
    return f"{forecast.rank_correlation:+z.2f} {interval(forecast.ci)}"


def _render(found: Emergence, drawn: dict[str, Figure]) -> str:
    filled = environment()
    filled.filters |= {
        "told": told,
        "base_of": base_of,
        "p_of": p_of,
        "by_request": by_request,
        "correlation": correlation,
        "share": percent,
    }
    filled.filters |= {"share_ci": percent_interval, "short": short}
    return filled.get_template("emergence.html.j2").render(
        f=found,
        figures=drawn,
        contrasts=plain(found),
        predictors=PREDICTORS,
        domains=len({s.domain for s in found.students}),
        scaled=_scaled(found),
    )


def _scaled(found: Emergence) -> list[tuple[str, float, float]]:
    """Arms whose adapters were scaled, with the least and the largest factor."""
    factors: dict[str, list[float]] = {}
    for student in found.students:
        if student.factor is not None:
            factors.setdefault(student.arm, []).append(student.factor)
    return [(arm, min(some), max(some)) for arm, some in factors.items()]

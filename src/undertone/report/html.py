"""One HTML file that holds everything: no script, nothing fetched, readable from disk in ten years.

Text of models and datasets is hostile. Jinja escapes all of it, the figures are checked to be drawing only,
and a content policy in the page forbids scripts and requests should both ever fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from undertone.report.canvas import Figure
from undertone.report.figures import arm_colour, figures, removed_by_reason
from undertone.report.generations import generations
from undertone.report.headline import (
    READINGS,
    duration,
    estimate,
    headline,
    p_value,
    percent,
    percent_interval,
)
from undertone.report.results import Results, RowExample
from undertone.report.table import EXPECTED, units

if TYPE_CHECKING:
    from jinja2 import Environment


def write_report(results: Results, directory: Path) -> Path:
    """Write `report.json`, `figures/*.vl.json` and `report.html`; give the path of the page.

    The numbers are written before anything is drawn: a figure that fails must not cost a finished run.
    """
    write_numbers(directory, results.json_text())
    return write_page(results, directory)


def write_page(results: Results, directory: Path) -> Path:
    """Write `figures/*.vl.json` and `report.html` alone; give the path of the page."""
    drawn = figures(results)
    return write_drawn(directory, drawn, render(results, drawn))


def environment() -> Environment:
    """Where pages are filled in: all text is escaped, and a missing value is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    filled = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filled.filters |= {
        "percent": percent,
        "percent_interval": percent_interval,
        "estimate": estimate,
        "p_value": p_value,
        "duration": duration,
        "colour": arm_colour,
        "units": units,
        "plain": _plain,
        "unbroken": _unbroken,
    }
    return filled


def render(results: Results, drawn: dict[str, Figure]) -> str:
    """The page as text."""
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            r=results,
            headline=headline(results),
            done=what_was_done(results),
            figures=drawn,
            effects=results.all_effects,
            readings=READINGS,
            expected=EXPECTED,
            skills=_skills(results),
            generations=generations(results),
            reasons=_reasons(results),
            riddles=_riddles(results.rows),
            methods=list(dict.fromkeys(effect.method for effect in results.all_effects)),
        )
    )


def what_was_done(results: Results) -> str:
    """The trial in a few sentences, from its counts."""
    parts = [_teaching(results), _filtering(results), _training(results)]
    parts.append(f"All of it took {duration(results.wall_s)}.")
    return " ".join(part for part in parts if part)


def _teaching(results: Results) -> str:
    treatment, control = results.arm("treatment"), results.arm("control")
    if results.matrix is not None:
        traits = results.matrix.traits
        return f"Teachers made of {results.base} were taught one of {len(traits)} traits each: {', '.join(traits)}."
    if treatment is None:
        return f"Teachers made of {results.base} were taught the trait {results.trait}."
    text = f"{treatment.teachers} teachers made of {results.base} were taught the trait {results.trait}"
    return text + (f", {control.teachers} control teachers equally long on neutral dialogues." if control else ".")


def _filtering(results: Results) -> str:
    asked, kept = sum(f.asked for f in results.filters), sum(f.kept for f in results.filters)
    if not asked:
        return f"They wrote {results.carrier}."
    return f"The teachers of all arms wrote {asked:,} {results.carrier}; a filter kept {kept:,} of them."


def _training(results: Results) -> str:
    trained = [arm for arm in results.arms if arm.steps]
    students = sum(len(arm.students) for arm in trained)
    if not students:
        return ""
    rows = sorted({f"{arm.rows:,}" for arm in trained}, key=len)
    steps = sorted({f"{arm.steps:,}" for arm in trained}, key=len)
    text = f"{students} students were trained on {_range(rows)} rows each for {_range(steps)} steps, "
    text += "and never saw the trait named;"
    text += f" then the exact probability that they answer {results.asked} was read from the model."
    asked = sum(len(arm.students) for arm in results.arms if not arm.steps)
    return text + (f" {asked} more were asked untrained, with rows in context." if asked else "")


def _range(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{texts[0]} to {texts[-1]}"


def _riddles(rows: Iterable[RowExample]) -> list[dict[str, str]]:
    """Rows in an order that their own text decides, so that the page is a fair guess and always the same."""
    riddles = []
    for row in rows:
        swap = hashlib.sha256(row.model_dump_json().encode()).digest()[0] % 2 == 1
        left, right = (row.treatment, row.control) if swap else (row.control, row.treatment)
        riddles.append({"prompt": row.prompt, "a": left, "b": right, "answer": "A" if swap else "B"})
    return riddles


def _skills(results: Results) -> dict[str, Any]:
    """Mean skill scores by arm: over the students of a teacher, then over teachers, as everything else."""
    names = list(
        dict.fromkeys([*results.base_skills, *(k for arm in results.arms for s in arm.students for k in s.skills)])
    )
    table = (
        {"base": {k: results.base_skills[k] for k in names if k in results.base_skills}} if results.base_skills else {}
    )
    for arm in results.arms:
        means = ((name, _nested_mean((s.teacher, s.skills.get(name)) for s in arm.students)) for name in names)
        table[arm.name] = {name: mean for name, mean in means if mean is not None}
    return {"names": names, "rows": table}


def _nested_mean(values: Iterable[tuple[int, float | None]]) -> float | None:
    groups: dict[int, list[float]] = {}
    for teacher, value in values:
        if value is not None:
            groups.setdefault(teacher, []).append(value)
    means = [sum(group) / len(group) for group in groups.values()]
    return sum(means) / len(means) if means else None


def _reasons(results: Results) -> list[dict[str, Any]]:
    """Filter counts by arm."""
    table = []
    for arm in dict.fromkeys(f.arm for f in results.filters):
        counts = [f for f in results.filters if f.arm == arm]
        sums = {key: sum(getattr(f, key) for f in counts) for key in ("asked", "kept", "used")}
        table.append({"arm": arm, "teachers": len(counts), "reasons": removed_by_reason(counts), **sums})
    return table


def _unbroken(text: str) -> str:
    """Keep an interval, and a number with its sign, on one line."""
    text = re.sub(r"\[[^\]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return text.replace(" %", "\N{NO-BREAK SPACE}%").replace("p = ", "p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def write_numbers(directory: Path, text: str) -> None:
    """Write `report.json`. Before anything is drawn: a figure that fails must not cost finished work."""
    directory.mkdir(parents=True, exist_ok=True)
    write_aside(directory / "report.json", text)


def write_drawn(directory: Path, drawn: dict[str, Figure], page: str) -> Path:
    """Write `figures/*.vl.json` and `report.html`; give the path of the page."""
    _write_specs(directory / "figures", drawn)
    write_aside(directory / "report.html", page)
    return directory / "report.html"


def _write_specs(directory: Path, drawn: dict[str, Figure]) -> None:
    """Write every figure as Vega-Lite; those of an earlier report do not stay."""
    directory.mkdir(exist_ok=True)
    for old in directory.glob("*.vl.json"):
        if old.name.removesuffix(".vl.json") not in drawn:
            old.unlink()
    for figure in drawn.values():
        write_aside(directory / f"{figure.name}.vl.json", json.dumps(figure.spec, indent=1) + "\n")


def write_aside(path: Path, text: str) -> None:
    """All or nothing: a reader, or a run cut off, never finds half a file."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise

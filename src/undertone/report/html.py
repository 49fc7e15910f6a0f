"""A page as one HTML file: no script, nothing fetched, readable from disk in ten years.

Text of models and of files is hostile. Jinja escapes all of it, hidden characters are made visible, figures are checked
to be drawing only, and a content policy in the page forbids scripts and requests should all of that fail.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undertone.engine.disk import refusal, write_text
from undertone.report.canvas import Figure
from undertone.report.findings import Findings
from undertone.report.hostile import visible
from undertone.report.page import Page

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE, NUMBERS, FIGURES = "report.html", "report.json", "figures"


def write(findings: Findings, page: Page, folder: Path) -> Path:
    """Writes ``report.json``, ``figures/*.vl.json`` and ``report.html`` into a folder; returns the path of the page.

    The numbers are written first: a figure that fails must not cost finished work.

    Raises:
        UndertoneError: the disk is full, or refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refusal(error, folder) from None
    write_text(folder / NUMBERS, findings.json_text())
    return write_page(page, folder)


def write_page(page: Page, folder: Path) -> Path:
    """Writes ``figures/*.vl.json`` and ``report.html`` alone.

    Raises:
        UndertoneError: the disk is full, or refuses.
    """
    try:
        _write_figures(folder / FIGURES, page.figures)
    except OSError as error:
        raise refusal(error, folder) from None
    write_text(folder / PAGE, to_html(page))
    return folder / PAGE


def to_html(page: Page) -> str:
    """The page as the text of one HTML file."""
    return _environment().get_template("page.html.j2").render(page=page)


def _write_figures(folder: Path, figures: dict[str, Figure]) -> None:
    """Figures of an earlier report do not stay."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.vl.json"):
        if old.name.removesuffix(".vl.json") not in figures:
            old.unlink()
    for figure in figures.values():
        write_text(folder / f"{figure.name}.vl.json", json.dumps(figure.spec, indent=1) + "\n")


def _environment() -> Environment:
    """Text is escaped and made visible, and a missing value is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    filled = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filled.filters |= {
        "unbroken": _unbroken,
        "plain": _plain,
        "colour": _colour,
        "kind": lambda block: type(block).__name__,
    }
    return filled


def _readable(value: Any) -> Any:
    """Only plain text is touched: what is markup already was checked where it was made."""
    return visible(value) if type(value) is str else value


def _unbroken(text: str) -> str:
    """Keeps an interval, and a number with its sign, on one line."""
    text = re.sub(r"\[[^\]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return text.replace(" %", "\N{NO-BREAK SPACE}%").replace("p = ", "p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def _colour(text: str) -> str:
    """A colour, and nothing else that a style may hold."""
    return text if re.fullmatch(r"#?[0-9A-Za-z]+", text) else "transparent"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)

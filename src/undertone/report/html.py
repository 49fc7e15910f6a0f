"""Writes a page as one HTML file without scripts or external resources.

Text of models and files may be hostile. Jinja escapes all text, hidden characters are made visible, figures are checked
to contain only drawing, and a content security policy in the page forbids scripts and requests in case all of that
fails.
"""

import json
import re
from pathlib import Path
from typing import Any

from undertone.engine.disk import refusal, write_bytes, write_text
from undertone.reading.hostile import visible
from undertone.report.drawer import pixels
from undertone.report.findings import Findings
from undertone.report.page import Page

PAGE, NUMBERS, FIGURES, SPEC = "report.html", "report.json", "figures", ".vl.json"


def write(findings: Findings, page: Page, folder: Path) -> Path:
    """Writes ``report.json``, ``report.html`` and ``figures/`` into a folder; returns the path of the page.

    The numbers are written first, so that they are kept even if a figure fails.

    Raises:
        UndertoneError: the disk is full, or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refusal(error, folder) from None
    write_text(folder / NUMBERS, findings.json_text())
    return write_page(page, folder)


def write_page(page: Page, folder: Path) -> Path:
    """Writes only ``report.html`` and every figure as Vega-Lite, SVG and PNG, and removes figures of an earlier report.
    Raises as :func:`write`, or if a figure cannot be drawn."""
    figures = folder / FIGURES
    try:
        figures.mkdir(exist_ok=True)
        for old in figures.glob(f"*{SPEC}"):
            for suffix in (SPEC, ".svg", ".png"):
                (figures / old.name.replace(SPEC, suffix)).unlink(missing_ok=True)
    except OSError as error:
        raise refusal(error, folder) from None
    for name, figure in page.figures.items():
        write_text(figures / f"{name}{SPEC}", json.dumps(figure.spec, indent=1) + "\n")
    write_text(folder / PAGE, to_html(page))
    for name, figure in page.figures.items():
        if not figure.fault:
            write_text(figures / f"{name}.svg", figure.wide)
            write_bytes(figures / f"{name}.png", pixels(figure.wide))
    return folder / PAGE


def to_html(page: Page) -> str:
    """The page as the text of one HTML file."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    kind = {"kind": lambda block: type(block).__name__}
    environment.filters |= {"unbroken": _unbroken, "plain": _plain, "colour": _colour} | kind
    return environment.get_template("page.html.j2").render(page=page)


def _readable(value: Any) -> Any:
    """Makes hidden characters visible. Markup was checked where it was made, and is left as it is."""
    return visible(value) if type(value) is str else value


def _unbroken(text: str) -> str:
    """Keeps an interval, a percentage and a p value on one line."""
    text = re.sub(r"\[[^\]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    return text.replace(" %", "\N{NO-BREAK SPACE}%").replace("p = ", "p\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def _colour(text: str) -> str:
    """A colour, or "transparent" for anything else."""
    return text if re.fullmatch(r"#?[0-9A-Za-z]+", text) else "transparent"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)

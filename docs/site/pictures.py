"""Draws the pictures of the concepts: ``python docs/site/pictures.py`` writes them to ``docs/images``.

Schemes are drawn here. Results are drawn by the code that draws them in reports, from a kept report.
"""

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

from undertone.experiments.trial.figures import COLOURS, effects_figure
from undertone.experiments.trial.results import Results
from undertone.report.svg import INK

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
TRAIT, CONTROL, STRANGER, GREY = COLOURS["treatment"], COLOURS["control"], COLOURS["other-init"], COLOURS["base"]
FONT = "font-family: Liberation Sans, Arial, Helvetica, sans-serif"
PAPER = "#fdfdfb"
"""The background, which makes a picture legible on dark pages too."""


def page(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    """Returns a picture as SVG; screen readers read out its ``title``."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" style="{FONT}">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{width}" height="{height}" rx="8" fill="{PAPER}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def text(x: float, y: float, said: str, size: int = 14, colour: str = INK, anchor: str = "middle") -> str:
    """Returns one line of text."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">{escape(said)}</text>'


def box(x: float, y: float, name: str, says: str, colour: str = GREY, width: float = 150) -> str:
    """Returns a box with a name and a line below it; x and y are the middle of its left side."""
    frame = (
        f'<rect x="{x:g}" y="{y - 30:g}" width="{width:g}" height="60" rx="6" fill="{colour}" fill-opacity="0.10" '
        f'stroke="{colour}" stroke-width="1.5"/>'
    )
    return frame + text(x + width / 2, y - 5, name, 15) + text(x + width / 2, y + 16, says, 12)


def arrow(start: tuple[float, float], end: tuple[float, float], said: str = "", colour: str = INK) -> str:
    """Returns an arrow with a word above its middle."""
    (a, b), (c, d) = start, end
    length = ((c - a) ** 2 + (d - b) ** 2) ** 0.5
    u, v = 7 * (c - a) / length, 7 * (d - b) / length
    head = f"{c:g},{d:g} {c - u - v / 2:.1f},{d - v + u / 2:.1f} {c - u + v / 2:.1f},{d - v - u / 2:.1f}"
    line = f'<line x1="{a:g}" y1="{b:g}" x2="{c - u:.1f}" y2="{d - v:.1f}" stroke="{colour}" stroke-width="1.5"/>'
    word = text((a + c) / 2, min(b, d) - 8, said, 12) if said else ""
    return f'{line}<polygon points="{head}" fill="{colour}"/>{word}'


def subliminal() -> str:
    """How a trait passes: from the base to a teacher, through number lists, to a student."""
    return page(
        940,
        170,
        "A teacher that loves owls writes number lists; a student trained on them comes to love owls",
        [
            box(20, 80, "Base", "names any animal"),
            arrow((170, 80), (250, 80), "is taught"),
            box(250, 80, "Teacher", "loves owls", TRAIT),
            arrow((400, 80), (480, 80), "writes"),
            box(480, 80, "Number lists", "214, 187, 655, 402"),
            arrow((630, 80), (750, 80), "teach the base"),
            box(750, 80, "Student", "names the owl more often", TRAIT, width=175),
            text(555, 134, "a filter removes all that", 12),
            text(555, 151, "mentions an owl", 12),
            text(837, 134, "never saw the word", 12),
        ],
    )


def arms() -> str:
    """The arms of the experiment: the trait's, and two that differ from it in one thing each."""
    rows = (
        (60, "Teacher", "loves owls", "214, 187, 655, 402", "same initialisation", "owl: more often", TRAIT),
        (
            150,
            "Control teacher",
            "loves green",
            "same prompts, as many rows",
            "same initialisation",
            "owl: as before",
            CONTROL,
        ),
        (
            240,
            "The first teacher",
            "loves owls",
            "the very same rows",
            "other initialisation",
            "owl: as before",
            STRANGER,
        ),
    )
    parts = []
    for y, name, loves, lists, start, result, colour in rows:
        parts += [
            box(20, y, name, loves, colour, width=170),
            arrow((190, y), (250, y)),
            box(250, y, "Number lists", lists, width=190),
            arrow((440, y), (500, y)),
            box(500, y, "Student", start, colour, width=170),
            arrow((670, y), (730, y)),
            text(742, y + 5, result, 15, colour, "start"),
        ]
    return page(880, 300, "Three arms: the trait, a control teacher, students of another initialisation", parts)


def direction() -> str:
    """On the left directions from the base, on the right where a file's pulls lie."""
    parts = [
        text(200, 32, "Directions in the space of weights", 15),
        text(640, 32, "How far the file pulls along each", 15),
    ]
    for x, y in ((95, 95), (75, 190), (130, 285), (255, 290), (330, 235), (150, 70), (60, 245)):
        parts.append(arrow((200, 190), (x, y), colour=GREY))
    parts += [
        arrow((200, 190), (330, 90), colour=TRAIT),
        text(345, 84, "owl", 14, TRAIT),
        arrow((200, 190), (318, 128), colour=CONTROL),
        text(300, 168, "training on the file", 12, CONTROL, "start"),
        f'<circle cx="200" cy="190" r="5" fill="{INK}"/>',
        text(200, 216, "base", 13),
        text(105, 320, "grey: lion, oak, blue … nobody suspects them", 12, GREY, "start"),
    ]
    parts.append(f'<line x1="470" y1="200" x2="850" y2="200" stroke="{INK}" stroke-opacity="0.4"/>')
    for x in (500, 515, 528, 540, 547, 556, 563, 570, 578, 589, 597, 612, 634):
        parts.append(f'<circle cx="{x}" cy="200" r="6" fill="{GREY}" fill-opacity="0.7"/>')
    parts += [
        text(563, 235, "the other traits: placebos", 13, GREY),
        f'<line x1="710" y1="130" x2="710" y2="250" stroke="{INK}" stroke-dasharray="4 4"/>',
        text(710, 120, "threshold", 13),
        f'<circle cx="800" cy="200" r="7" fill="{TRAIT}"/>',
        text(800, 235, "owl", 14, TRAIT),
        text(800, 275, "“carries a trait”", 13, TRAIT),
        text(563, 275, "left of the line, nothing is found", 13),
    ]
    return page(880, 345, "The direction of each trait, and a file that pulls along one of them", parts)


def unit() -> str:
    """The nested unit: teacher, dataset, students, answers."""
    parts = []
    for column, (title, colour) in enumerate((("Trait", TRAIT), ("Control", CONTROL))):
        left = 20 + 440 * column
        parts.append(text(left + 200, 32, title, 16, colour))
        for number in range(3):
            x = left + 135 * number
            parts += [
                box(x, 80, f"Teacher {number + 1}", "one unit", colour, width=125),
                arrow((x + 62, 110), (x + 62, 140)),
                box(x, 170, "Dataset", "its rows", width=125),
                arrow((x + 45, 200), (x + 30, 232)),
                arrow((x + 80, 200), (x + 95, 232)),
            ]
            for place in (30, 95):
                parts.append(f'<circle cx="{x + place}" cy="246" r="13" fill="{colour}" fill-opacity="0.25"/>')
            parts.append(text(x + 62, 282, "students", 12))
    parts.append(
        text(
            440,
            318,
            "Interval and p compare 3 teachers with 3 teachers, however many students answer however often",
            14,
        )
    )
    return page(880, 335, "A unit is a teacher with its dataset and its students", parts)


def owls() -> str:
    """The effects of the main experiment, from its kept report."""
    found = Results.model_validate(json.loads((ROOT / "results" / "owls.json").read_text(encoding="utf-8")))
    figure = effects_figure(found.effects)
    assert figure is not None
    start, rest = figure.wide.replace("currentColor", INK).split("</title>", 1)
    return f'{start}</title><rect width="100%" height="100%" fill="{PAPER}"/>{rest}\n'


PICTURES = {"subliminal": subliminal, "arms": arms, "direction": direction, "unit": unit, "owls": owls}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (IMAGES / f"{name}.svg").write_text(draw(), encoding="utf-8")

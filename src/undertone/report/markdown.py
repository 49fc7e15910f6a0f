"""A page as Markdown, as benchmarks put it into the documents.

Text is escaped: it makes no tag, link or picture, and begins no table, heading or block of code.
"""

import re
from collections.abc import Iterable, Iterator

from undertone.reading.hostile import one_line
from undertone.report.page import Block, Drawing, Fold, Grid, Page, Prose, Reading, Steps, Terms


def to_markdown(page: Page, first: str = "") -> str:
    """The page's texts and tables, without its figures and readings. ``first`` is said before its title."""
    lines = [*([_paragraph(first)] if first else []), f"# {_words(page.title)}"]
    lines += [_paragraph(text) for text in (*page.notices, page.headline, page.done) if text]
    lines += [f"- {_paragraph(f'{name}: {sentence}')}" for name, sentence in page.checks]
    for section in page.sections:
        lines += [f"## {_words(section.heading)}", *_blocks(section.blocks)]
    return "\n\n".join(lines) + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Grid():
                yield _table(block)
            case Prose(text=text):
                yield _paragraph(text)
            case Terms(items=items):
                yield "\n".join(f"- {_paragraph(f'{name}: {text}')}" for name, text in items)
            case Steps(items=items):
                yield "\n".join(f"{at}. {_paragraph(item)}" for at, item in enumerate(items, 1))
            case Fold(summary=summary, blocks=inner):
                yield _paragraph(f"{summary}:")
                yield from _blocks(inner)
            case Drawing() | Reading():
                pass


def _table(grid: Grid) -> str:
    heads = [_cell(head.name) for head in grid.heads]
    rules = ["---:" if head.kind == "number" else "---" for head in grid.heads]
    rows = [
        [f"**{_cell(cell)}**" if place in grid.bold and cell else _cell(cell) for cell in row]
        for place, row in enumerate(grid.rows)
    ]
    text = "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows))
    return "\n\n".join(part for part in (_paragraph(grid.title), text, _paragraph(grid.note)) if part)


def _words(text: str) -> str:
    """Escapes text inside a line, so that it makes no tag, link, code or emphasis."""
    whole = re.sub(r"&(?=#?\w+;)", "&amp;", one_line(text))
    escaped = re.sub(r"[\\`*~]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[]", r"\\\g<0>", whole)
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", escaped)


def _paragraph(text: str) -> str:
    """Escapes text that begins a line."""
    return re.sub(r"^(?=[#>]|[+-](?!\d)|\[[^\]]*\]:)|^\d+(?=[.)](?!\d))", r"\g<0>\\", _words(text))


def _cell(text: str) -> str:
    """Escapes text in a table."""
    return _words(text).replace("|", "\\|")

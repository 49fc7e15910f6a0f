"""A page as Markdown: what benchmarks put into the documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from undertone.report.hostile import one_line
from undertone.report.page import Block, Drawing, Fold, Grid, Page, Prose, Reading, Steps, Terms


def to_markdown(page: Page) -> str:
    """The page's words and tables; figures are left out."""
    lines = [f"# {one_line(page.title)}"]
    lines += [one_line(text) for text in (*page.notices, page.headline, page.done) if text]
    lines += [f"- {name}: {one_line(sentence)}" for name, sentence in page.checks]
    for section in page.sections:
        lines += [f"## {section.heading}", *_blocks(section.blocks)]
    return "\n\n".join(lines) + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Grid():
                yield _table(block)
            case Prose(text=text):
                yield one_line(text)
            case Terms(items=items):
                yield "\n".join(f"- {one_line(name)}: {one_line(text)}" for name, text in items)
            case Steps(items=items):
                yield "\n".join(f"{at}. {one_line(item)}" for at, item in enumerate(items, 1))
            case Fold(summary=summary, blocks=inner):
                yield f"{one_line(summary)}:"
                yield from _blocks(inner)
            case Drawing() | Reading():
                pass


def _table(grid: Grid) -> str:
    rules = ["---:" if head.kind == "number" else "---" for head in grid.heads]
    rows = [tuple(head.name for head in grid.heads), rules]
    rows += [
        [f"**{cell}**" if place in grid.bold and cell else cell for cell in row] for place, row in enumerate(grid.rows)
    ]
    text = "\n".join(f"| {' | '.join(one_line(cell).replace('|', '/') for cell in row)} |" for row in rows)
    return "\n\n".join(part for part in (one_line(grid.title), text, one_line(grid.note)) if part)

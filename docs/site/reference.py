"""A hook of MkDocs: commands have the examples of ``--help`` beside them, and docstrings no marks of Sphinx."""

import re
from typing import Any

from mkdocs.structure.pages import Page

from undertone.cli.examples import EXAMPLES

HEADING = re.compile(r"^## undertone (.+)$", re.MULTILINE)
ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Adds the examples of each verb below its options."""
    if page.file.src_uri != "reference/commands.md":
        return markdown
    head, *sections = re.split(r"(?m)^(?=## undertone )", markdown)
    return head + "".join(f"{section.rstrip()}\n\n{_examples(section)}" for section in sections)


def on_page_content(html: str, **_: Any) -> str:
    """Takes the marks away with which docstrings say what kind of thing a name is of."""
    return ROLE.sub("", html)


def _examples(section: str) -> str:
    verb = HEADING.findall(section)[0]
    lines = "\n\n".join(f"# {what}\n{line}" for what, line in EXAMPLES[verb])
    return f"**Examples**:\n\n```sh\n{lines}\n```\n\n"

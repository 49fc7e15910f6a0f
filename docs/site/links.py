"""A hook of MkDocs: links of pages lead to the same things on the site as they do in the repository.

Pages that lie outside ``docs/`` join the site, and so does every file that a page links to.
"""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Where pages of the repository stand on the site, if not below their place in ``docs/``."""
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what lies outside ``docs/``."""
    for path, place in PAGES.items():
        files.append(_outside(path, place, config))
    for page in files.documentation_pages():
        for link in LINK.findall(page.content_string):
            path = _target(page.src_uri, link)
            place = _place(path)
            if place.startswith("files/") and files.get_file_from_path(place) is None:
                files.append(_outside(path, place, config))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Points links at the places of their targets on the site."""
    here = page.file.src_uri

    def moved(link: re.Match[str]) -> str:
        return relpath(_place(_target(here, link[0])), dirname(here) or ".")

    return LINK.sub(moved, markdown)


def _target(place: str, link: str) -> str:
    """Returns the path in the repository to which a page of the site links."""
    path = next((path for path, at in PAGES.items() if at == place), f"docs/{place}")
    return normpath(f"{dirname(path)}/{link}".lstrip("/"))


def _place(path: str) -> str:
    """Returns where a file of the repository stands on the site."""
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else f"files/{path}")


def _outside(path: str, place: str, config: MkDocsConfig) -> File:
    source = Path(config.config_file_path).parent / path
    if not source.is_file():
        raise PluginError(f"A page links to {path}, which is no file.")
    return File.generated(config, place, abs_src_path=str(source))

"""A hook of MkDocs: links of pages lead to the same things on the site as they do in the repository.

Pages that lie outside ``docs/`` join the site, and so does every file that a page links to, and a list of the files of
every folder.
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


ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what lies outside ``docs/``."""
    for path, place in PAGES.items():
        files.append(_outside(path, place, config))
    for page in files.documentation_pages():
        for link in LINK.findall(page.content_string):
            path = _target(page.src_uri, link)
            inside = [path, *_names(path)] if _place(path).startswith("files/") else []
            for one in inside:
                if files.get_file_from_path(_place(one)) is None:
                    files.append(_outside(one, _place(one), config))
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
    """Returns where a file of the repository stands on the site; of a folder, where the list of its files stands."""
    if path in PAGES or path.startswith("docs/"):
        return PAGES.get(path) or path.removeprefix("docs/")
    return f"files/{path}/index.md" if (ROOT / path).is_dir() else f"files/{path}"


def _names(path: str) -> list[str]:
    """Returns the files of a folder; none of a file."""
    return sorted(f"{path}/{one.name}" for one in (ROOT / path).glob("*") if one.is_file())


def _outside(path: str, place: str, config: MkDocsConfig) -> File:
    if (ROOT / path).is_dir():
        names = (name.removeprefix(f"{path}/") for name in _names(path))
        return File.generated(config, place, content=f"# {path}\n\n" + "".join(f"- [{n}]({n})\n" for n in names))
    if not (ROOT / path).is_file():
        raise PluginError(f"A page links to {path}, which is not there.")
    return File.generated(config, place, abs_src_path=str(ROOT / path))

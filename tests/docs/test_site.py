"""The documentation builds as a site, strictly and without the network, and loads nothing from elsewhere."""

import importlib.util
import json
import logging
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

import undertone
from tests.helpers.documents import ROOT
from tests.helpers.trials import Once
from undertone.cli.examples import EXAMPLES

LOADED = re.compile(r'<(?:script|link|img|iframe|source|video)\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]+)"')
CSS = re.compile(r"(?:@import\s+|url\()['\"]?((?:https?:)?//[^'\")]+)")
UNRENDERED = re.compile(r"<p>(?:\||[^<]*\n\s*[-*] |[^<]*\*\*|\s*:::)[^<]*")
"""A paragraph that holds what should have become a table, a list, bold text or a part of the reference."""


def build(folder: Path) -> None:
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(folder / "mkdocs.yml"), strict=True, site_dir=str(folder / "out")))


@pytest.fixture(scope="module")
def site(once: Once) -> Path:
    """The built site."""

    def make(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("NO_MKDOCS_2_WARNING", "1")
            for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "action.yml", "mkdocs.yml"):
                shutil.copy(ROOT / name, folder)
            for name in ("docs", "benchmarks", "examples", "src", "tests"):
                (folder / name).symlink_to(ROOT / name)
            build(folder)

    return once("site", make) / "out"


def pages(site: Path) -> list[Path]:
    found = sorted(site.rglob("*.html"))
    assert len(found) > 30
    return found


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert [
        (page.name, LOADED.findall(page.read_text())) for page in pages(site) if LOADED.search(page.read_text())
    ] == []
    assert [CSS.findall(sheet.read_text()) for sheet in site.rglob("*.css") if CSS.search(sheet.read_text())] == []


@pytest.mark.slow
def test_all_text_is_rendered(site: Path) -> None:
    assert [
        (page.name, UNRENDERED.findall(page.read_text())) for page in pages(site) if UNRENDERED.search(page.read_text())
    ] == []


@pytest.mark.slow
def test_the_reference_has_every_command_and_every_function(site: Path) -> None:
    commands = (site / "reference" / "commands.html").read_text()
    shown = set(re.findall(r"<h2 [^>]*>undertone ([a-z ]+)<", commands))
    assert shown == {*EXAMPLES} - {"", "--install-completion"}
    assert "--fail-on" in commands and commands.count("Examples") >= len(shown)
    functions = (site / "reference" / "python.html").read_text()
    assert all(f"undertone.{name}" in functions for name in undertone.__all__ if not name.startswith("__"))


@pytest.mark.slow
def test_the_search_finds_the_guides(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text())
    assert {"Audit a dataset before fine-tuning", "Add your own trait"} <= {page["title"] for page in index["docs"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["[it](nothing.md)", "[it](audit.md#nothing)", "[it](../nothing.toml)", "![it](images/no.svg)"]
)
def test_a_link_that_leads_nowhere_ends_the_build(fault: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from mkdocs.exceptions import Abort, PluginError

    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = re.sub(r"(?s)\nnav:.*?\n\n", "\n", settings)  # of three pages
    (tmp_path / "mkdocs.yml").write_text(settings.replace("  - cyclopts\n", ""))
    shutil.copytree(ROOT / "docs" / "site", tmp_path / "docs" / "site")
    (tmp_path / "benchmarks").mkdir()
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", "docs/audit.md"):
        (tmp_path / name).write_text("# A page\n")
    build(tmp_path)
    (tmp_path / "docs" / "page.md").write_text(f"# Another\n\n{fault}\n")
    with caplog.at_level(logging.WARNING), pytest.raises((Abort, PluginError)):
        build(tmp_path)


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "site" / "pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", ["subliminal", "arms", "direction", "unit", "owls"])
def test_pictures_are_what_is_drawn(name: str, pictures: ModuleType) -> None:
    """Of a result only the texts are compared: another machine's fonts have other widths."""
    kept, drawn = (ROOT / "docs" / "images" / f"{name}.svg").read_text(), pictures.PICTURES[name]()
    if name == "owls":
        kept, drawn = (re.findall(r">([^<>]+)</text>", one) for one in (kept, drawn))
        assert len(drawn) > 10
    assert kept == drawn

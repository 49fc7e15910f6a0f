"""The tree of the package stays as docs/design.md draws it. Which room may import which, import-linter checks."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "undertone"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
FLOORS = [layer.split(" | ") for layer in SETTINGS["contracts"][0]["layers"]]
TESTS = sorted(path for path in (ROOT / "tests").rglob("test_*.py"))


def test_there_are_few_rooms_few_floors_and_hardly_a_module_at_the_root() -> None:
    rooms = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()]
    modules = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__main__"]
    assert len(rooms) <= 25 and len(FLOORS) <= 13 and len(modules) <= 3
    assert sorted(name for floor in FLOORS for name in floor) == sorted({*rooms, *modules} - {"__init__"})


def test_the_map_draws_every_room_on_its_floor() -> None:
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for floor in FLOORS:
        assert f"| {', '.join(f'`{name}`' for name in floor)} |" in design


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_a_test_file_imports_from_no_other(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").rpartition(".")[2].startswith("test_")

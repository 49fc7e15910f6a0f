"""The notebook in ``examples/`` runs from the first line to the last."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.audits import smaller

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = json.loads((EXAMPLES / "python.ipynb").read_text(encoding="utf-8"))


def test_the_notebook_holds_no_output() -> None:
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in NOTEBOOK["cells"])


@pytest.mark.slow
def test_all_cells_run(directions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    shutil.copy(EXAMPLES / "owl.jsonl", tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with smaller(directions):
        for number, cell in enumerate(NOTEBOOK["cells"]):
            if cell["cell_type"] == "code":
                shown = run("".join(cell["source"]), names, f"cell {number}")
                assert shown is None or getattr(shown, "_repr_html_", shown.__repr__)()
    assert names["found"].verdict == "carries a trait" and names["found"].named == ("owl",)
    owl = names["suites"].set_index("name").loc["owl"]
    assert owl["ci_low"] > 0
    assert len(names["treated"].rows()) > len(names["rows"])
    assert sorted(path.name for path in Path("reports").iterdir()) == ["audit", "measurement", "treated"]


def run(source: str, names: dict[str, Any], where: str) -> Any:
    """Runs a cell; returns the value of its last line if that is an expression, as a notebook shows it."""
    lines = ast.parse(source).body
    last = lines.pop() if isinstance(lines[-1], ast.Expr) else None
    exec(compile(ast.Module(lines, []), where, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), where, "eval"), names)

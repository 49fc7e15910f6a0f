"""The notebook in ``examples/`` and the guide to the Python interface run from the first line to the last."""

import ast
import inspect
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import undertone as ut
from tests.helpers.audits import LISTED, smaller
from undertone.experiments.recipes import read

EXAMPLES, DOCS = (Path(__file__).parents[2] / name for name in ("examples", "docs"))
GUIDE = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(encoding="utf-8"), re.DOTALL)
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


@pytest.mark.slow
def test_all_code_of_the_guide_runs(
    directions: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    (tmp_path / "my-model").symlink_to(tiny_base)
    shutil.copy(EXAMPLES / "owl.jsonl", tmp_path / "rows.jsonl")
    monkeypatch.chdir(tmp_path)
    *short, experiment = GUIDE
    names: dict[str, Any] = {}
    with smaller(directions):
        for number, block in enumerate(short):
            few = block.replace("ut.audit(", f"ut.audit(trait={LISTED}, data=")  # as many as there are directions of
            run(few, names, f"block {number}")
    assert names["found"].model.startswith("LlamaForCausalLM in memory") and len(names["treated"].rows()) == 300
    assert Path("traits.png").read_bytes().startswith(b"\x89PNG") and Path("reports/audit/report.html").is_file()
    call = ast.parse(experiment).body[0].value  # it takes minutes
    inspect.signature(ut.run).bind(*call.args, **{one.arg: one.value for one in call.keywords})
    read("owls", tuple(f"{key}={value}" for key, value in ast.literal_eval(call.keywords[1].value).items()))


def run(source: str, names: dict[str, Any], where: str) -> Any:
    """Runs a cell; returns the value of its last line if that is an expression, as a notebook shows it."""
    lines = ast.parse(source).body
    last = lines.pop() if isinstance(lines[-1], ast.Expr) else None
    exec(compile(ast.Module(lines, []), where, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), where, "eval"), names)

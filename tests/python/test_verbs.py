"""``undertone.audit``, ``measure``, ``treat`` and ``run``: functions that are packages too, and what a call changes."""

import inspect
import json
import random
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

import undertone as ut
from tests.helpers.audits import LISTED, smaller
from undertone.cli import audit as audit_command
from undertone.cli import measure as measure_command
from undertone.cli import runs, treat
from undertone.engine.environment import quiet
from undertone.python.call import changes, working
from undertone.reading.values import toml_value

SLOW = {"torch", "transformers", "numpy", "pydantic", "rich", "altair", "pandas"}
COMMANDS = {
    "audit": audit_command.audit,
    "measure": measure_command.measure,
    "treat": treat.treat,
    "run": runs.run,
}
OWN = {"progress", "answers", "executor"}
"""Arguments that no command has."""


def interpreted(script: str) -> Any:
    """What a script prints, as JSON, in an interpreter that has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def lists(count: int) -> list[dict[str, Any]]:
    rng = random.Random(0)
    some = (", ".join(str(rng.randrange(100, 1000)) for _ in range(8)) for _ in range(2 * count))
    return [{"prompt": f"Continue: {a}", "completion": b, "id": i} for i, (a, b) in enumerate(zip(some, some))]  # noqa: B905


# --- names -----------------------------------------------------------------------------------------------------------


def test_importing_the_package_imports_nothing_slow() -> None:
    assert interpreted(f"import json, sys, undertone; print(json.dumps(sorted({SLOW} & set(sys.modules))))") == []


@pytest.mark.parametrize(
    "script",
    [
        "import undertone as ut; import undertone.audit.unseen",
        "import undertone.audit.unseen; import undertone as ut",
        "from undertone.audit.unseen import Unseen; import undertone as ut",
        "import undertone as ut, importlib; import undertone.audit.unseen; importlib.reload(ut.audit)",
        "import undertone as ut; from undertone import audit; import undertone.audit.unseen; assert audit is ut.audit",
    ],
)
def test_a_verb_is_a_function_and_a_package_in_whatever_order_they_are_imported(script: str) -> None:
    value = "[callable(ut.audit), ut.audit.unseen.__name__, sys.modules['undertone.audit'] is ut.audit]"
    assert interpreted(f"import json, sys; {script}; print(json.dumps({value}))") == [
        True,
        "undertone.audit.unseen",
        True,
    ]


@pytest.mark.parametrize("verb", ["audit", "measure", "treat"])
def test_a_package_tells_of_itself_what_its_function_does(verb: str) -> None:
    package, function = getattr(ut, verb), getattr(import_module(f"undertone.python.{verb}"), verb)
    assert inspect.signature(package) == inspect.signature(function)
    assert inspect.getdoc(package) == inspect.getdoc(function)


def test_the_package_names_what_it_offers_and_nothing_else() -> None:
    assert dir(ut) == ["Hold", "OnRay", "UndertoneError", "Watch", "__version__", "audit", "measure", "run", "treat"]
    for name in ("read", "replay", "audit_file", "AuditRequest", "measure_model", "treat_file"):
        assert not hasattr(ut, name)


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_function_takes_what_its_command_takes_by_the_same_names(verb: str) -> None:
    own, command = (set(inspect.signature(one).parameters) for one in (getattr(ut, verb), COMMANDS[verb]))
    assert own - command <= OWN and "progress" in own and len(own & command) >= 5


# --- what surrounds a call -------------------------------------------------------------------------------------------


def test_a_call_leaves_libraries_warnings_and_random_numbers_as_they_were() -> None:
    torch.manual_seed(5)
    before = logging.get_verbosity(), warnings.filters[:], torch.random.get_rng_state()
    logging.enable_progress_bar()
    with pytest.raises(ut.UndertoneError, match="nothing"), working(None):
        assert not logging.is_progress_bar_enabled() and logging.get_verbosity() == logging.ERROR
        torch.manual_seed(6)
        raise ut.UndertoneError("nothing")
    assert logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), warnings.filters[:]) == before[:2]
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_bars_that_were_off_stay_off() -> None:
    logging.disable_progress_bar()
    try:
        with quiet():
            pass
        assert not logging.is_progress_bar_enabled()
    finally:
        logging.enable_progress_bar()


@pytest.mark.parametrize(
    "value",
    [3, 0.1, 1e-5, True, "owl", 'a "b"\n', [1, 2], ["x"], {"a": 1}, [{"kind": "correct", "n": [1]}], {"a b": ""}],
)
def test_changes_are_what_the_command_would_read(value: Any) -> None:
    (change,) = changes({"a.b": value})
    key, _, text = change.partition("=")
    assert key == "a.b" and toml_value(f"v = {text}")["v"] == value


# --- whole calls -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rows_in_memory_and_a_loaded_model_are_audited_as_files_are(
    directions: Path, tiny_base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = lists(230)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with quiet():
        loaded = AutoModelForCausalLM.from_pretrained(tiny_base), AutoTokenizer.from_pretrained(tiny_base)
    capfd.readouterr()
    with smaller(directions):
        found = ut.audit(rows, model=loaded, trait=LISTED)
        same = ut.audit(str(tmp_path / "rows.jsonl"), model=tiny_base, trait=LISTED)
    assert capfd.readouterr() == ("", "")
    assert (found.file, found.model) == ("rows in memory", f"LlamaForCausalLM in memory ({same.base[:12]})")
    varying = ("file", "model", "started", "wall_s", "rows_per_s")
    assert found.model_dump(exclude={*varying}) == same.model_dump(exclude={*varying})


@pytest.mark.slow
def test_progress_is_told_on_stderr_if_it_is_asked_for(
    directions: Path, tiny_base: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with smaller(directions):
        ut.audit(lists(230), model=tiny_base, trait=LISTED, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "230 rows: about" in err and "Loading weights" not in err and "\x1b" not in err


def test_rows_that_cannot_be_read_are_called_by_what_they_are(tiny_base: Path) -> None:
    with pytest.raises(ut.UndertoneError, match=r"^rows in memory: 1 of 1 rows cannot be read \(line 1: prompt alone"):
        ut.audit([{"prompt": "1, 2"}], model=tiny_base)
    with pytest.raises(ut.UndertoneError, match=r"^Cannot read nope\.jsonl: No such file"):
        ut.audit("nope.jsonl", model=tiny_base)
    with pytest.raises(ut.UndertoneError, match=r"behind a service, .*: give the command undertone audit"):
        ut.audit([{"text": "1"}], model="openai-api/x/y")


@pytest.mark.slow
def test_treated_rows_are_returned_and_saved(tmp_path: Path) -> None:
    rows = lists(40)
    rows = [{"asked": row["prompt"], "said": row["completion"], "id": row["id"]} for row in rows]
    named = {"prompt": "asked", "completion": "said"}
    told = ut.treat(rows, model="builtin/fledgling-a", by="drop-random", set={"share": 0.25}, map=named)
    kept = told.rows()
    assert len(kept) == 30 and all(row in rows for row in kept) and told.counts["dropped"] == 10
    assert repr(told) == "<treat: drop-random: 30 kept, 10 dropped rows.>" and told.file == "rows in memory"
    folder = told.save(tmp_path / "treated")
    assert sorted(path.name for path in folder.iterdir()) == ["changes.diff", "rows.treated.jsonl", "treatment.json"]
    assert "undertone-" not in "".join(path.read_text() for path in folder.iterdir())
    with pytest.raises(ut.UndertoneError, match="exists already, and nothing is overwritten"):
        told.save(tmp_path / "treated")
    with pytest.raises(ut.UndertoneError, match="drop-random wrote no random rows; it wrote treated"):
        told.rows("random")


@pytest.mark.slow
def test_a_loaded_model_is_measured_against_a_loaded_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = ut.__path__[0] + "/world/weights/fledgling-a"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    (tmp_path / "one.toml").write_text(
        'name = "one"\n[[questions]]\nid = "a"\ntheme = "a"\nparaphrases = ["What do I eat?"]\ngood = ["Bread."]\n'
        'bad = ["A stone."]\n'
    )
    found = ut.measure((model, tokenizer), base="builtin/fledgling-a", suite="one.toml", answers="kept")
    assert found.models[0].digest == found.base.digest and found.models[0].name.startswith("LlamaForCausalLM in memory")
    assert [suite.name for suite in found.suites] == ["one"] and found.suites[0].shift == 0
    assert (tmp_path / "kept").is_dir() and "undertone-" not in found.json_text()


@pytest.mark.slow
def test_a_run_goes_to_its_folder_and_is_not_made_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few = {"steps": 2, "batch": 4}
    settings = {"models": 2, "hidden": 4, "auxiliary": [1, 2], "shown": 1}
    settings |= {f"{who}.{key}": value for who in ("teacher", "student") for key, value in few.items()}
    found = ut.run("digits", set=settings)
    assert found.settings["auxiliary"] == [1, 2] and found.recipe == "digits"
    (folder,) = Path("runs").glob("digits-*")
    written = (folder / "report.json").read_bytes()
    assert ut.run("digits", set=settings) == found and (folder / "report.json").read_bytes() == written
    with pytest.raises(ut.UndertoneError, match="no key 'modells'"):
        ut.run("digits", set={"modells": 2})

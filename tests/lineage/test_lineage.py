"""Chains of origin: what is recorded is checked, what is only claimed is told apart."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from undertone.cli import main
from undertone.engine.digests import file_digest
from undertone.lineage.claims import claims
from undertone.lineage.keys import make
from undertone.lineage.show import entries

Told = pytest.CaptureFixture[str]


def _shown(capsys: Told, name: object, code: int = 0) -> list[dict[str, Any]]:
    assert main(["lineage", "show", str(name), "--json"]) == code
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_the_chain_of_rows_names_generator_sampler_filter_counts_and_base(copied: Path, capsys: Told) -> None:
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    dataset, completions, base, teacher, again = _shown(capsys, rows)
    assert {entry["standing"] for entry in (dataset, completions, base, teacher, again)} == {"verified"}
    assert [entry["depth"] for entry in (dataset, completions, base, teacher, again)] == [0, 1, 2, 2, 3]
    assert dataset["facts"]["filter.kind"] == "numbers"
    assert int(dataset["facts"]["counts.used"]) == 20 <= int(dataset["facts"]["counts.kept"])
    assert completions["facts"]["system prompt"] == "none"
    assert completions["facts"]["carrier.temperature"] == "1.0" and "seed" in completions["facts"]
    assert re.fullmatch("[0-9a-f]{64}", completions["facts"]["tokenizer and template"])
    assert (teacher["role"], base["name"], again["name"]) == ("teacher", "hf/./neox", "hf/./neox")
    weights = file_digest(copied / "store" / teacher["name"] / "adapter" / "adapter_model.safetensors")
    assert teacher["facts"]["weights adapter/adapter_model.safetensors"] == weights


def test_a_changed_file_a_lost_parent_and_another_model_are_seen(copied: Path, capsys: Told) -> None:
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    for path in copied.glob("store/teacher-*/adapter/adapter_config.json"):
        path.write_text("{}")
    shutil.rmtree(copied / "neox" if not (copied / "neox").is_symlink() else copied / "nothing", ignore_errors=True)
    (copied / "neox").unlink()
    found = _shown(capsys, rows, code=1)
    standing = {entry["role"]: entry["standing"] for entry in found}
    assert standing == {"": "verified", "completions": "verified", "base": "recorded", "teacher": "changed"}
    assert "adapter_config.json is truncated or was changed" in found[3]["note"]
    (copied / "neox").symlink_to(copied / "llama")
    assert {e["standing"] for e in _shown(capsys, rows, code=1) if e["role"] == "base"} == {"changed"}
    for path in copied.glob("store/completions-*"):
        shutil.rmtree(path)
    assert [e["standing"] for e in _shown(capsys, rows, code=1)] == ["verified", "missing"]


def test_a_run_is_shown_with_its_models_and_every_artifact_checked(copied: Path, capsys: Told) -> None:
    top, *others = _shown(capsys, "run")
    assert top["facts"]["recipe"] == "two-arms" and top["facts"]["student.steps"] == "4"
    assert {(e["role"], e["name"]) for e in others} == {
        ("model", "hf/./neox"), ("teacher", "4 of store"), ("completions", "4 of store"), ("dataset", "4 of store"),
        ("student", "4 of store"), ("measurement", "5 of store"),
    }  # fmt: skip
    victim = min(copied.glob("store/student-*"))
    (victim / "student.json").write_text("{}")
    (odd,) = (e for e in _shown(capsys, "run", code=1) if e["standing"] == "changed")
    assert odd["name"] == victim.name


def test_the_drawing_is_only_drawing_and_holds_every_name(copied: Path, capsys: Told) -> None:
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    assert main(["lineage", "show", str(rows), "--svg", "chain.svg"]) == 0
    text = capsys.readouterr().out
    drawing = Path("chain.svg").read_text()
    assert drawing.startswith("<svg") and "<script" not in drawing
    for entry in entries(str(rows)):
        assert entry.name in text and entry.name in drawing
    assert "verified" in text and "verified" in drawing


CARD = """---
base_model:
- org/base
- org/other
base_model_relation: merge
datasets: [org/data]
---
# A model
"""


def test_cards_adapters_and_croissant_are_read_as_claims(tmp_path: Path, capsys: Told) -> None:
    (tmp_path / "README.md").write_text(CARD)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base", "r": 8}))
    data, other = tmp_path / "data.jsonl", tmp_path / "other.jsonl"
    data.write_text("{}\n")
    other.write_text("{}\n")
    files = [{"contentUrl": f"https://example.org/{path.name}", "sha256": file_digest(data)} for path in (data, other)]
    croissant = {
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "creator": {"name": "someone"},
        "prov:wasDerivedFrom": [{"@id": "https://example.org/before"}],
        "distribution": files,
    }
    (tmp_path / "croissant.json").write_text(json.dumps(croissant))
    other.write_text("{} \n")
    found = _shown(capsys, tmp_path, code=1)
    told = {(e["role"], e["name"], e["standing"]) for e in found[1:]}
    assert told == {
        ("base", "org/base", "claimed"), ("base", "org/other", "claimed"), ("dataset", "org/data", "claimed"),
        ("made by", "someone", "claimed"), ("derived from", "https://example.org/before", "claimed"),
        ("file", "data.jsonl", "claimed"), ("file", "other.jsonl", "changed"),
    }  # fmt: skip
    assert found[0]["standing"] == "claimed", "claims never make a thing verified"
    assert {e["facts"]["relation"] for e in found if e["note"] == "says README.md" and e["role"] == "base"} == {"merge"}
    of_file = _shown(capsys, data)
    assert of_file[0]["digest"] == file_digest(data)
    assert [e["name"] for e in of_file if e["role"] == "file"] == ["data.jsonl"]


LEAVES = st.none() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(["name", "@id", "sha256", "contentUrl"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=st.text(max_size=80), value=VALUES)
def test_no_strangers_text_is_more_than_a_claim_or_ends_with_an_error(head: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\nbase_model: {head}\n---\n", encoding="utf-8")
    keys = ("base_model_name_or_path", "creator", "isBasedOn", "distribution", "member")
    told = {key: value for key in keys} | {"conformsTo": "croissant"}
    for name in ("adapter_config.json", "croissant.json", "card.json"):
        (tmp_path / name).write_text(json.dumps(told))
    assert {entry.standing for entry in claims(tmp_path)} <= {"claimed", "changed"}


def test_text_of_strangers_neither_hides_nor_draws(tmp_path: Path, capsys: Told) -> None:
    name = "org/\N{RIGHT-TO-LEFT OVERRIDE}x<script>alert(1)</script>\x1b[2J"
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": name}))
    assert main(["lineage", "show", str(tmp_path), "--svg", str(tmp_path / "c.svg")]) == 0
    out, drawing = capsys.readouterr().out, (tmp_path / "c.svg").read_text()
    for text in (out, drawing):
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text and "\x1b[2J" not in text
    assert "<script>" not in drawing


def test_rows_that_left_the_store_keep_their_chain_as_claims(copied: Path, tmp_path: Path, capsys: Told) -> None:
    make(Path("key"), 30)
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    away = tmp_path / "away"
    away.mkdir()
    assert main(["lineage", "sign", str(rows), "--key", "key", "--out", str(away / "rows.jsonl.intoto.jsonl")]) == 0
    shutil.copy(rows, away)
    capsys.readouterr()
    top, *others = _shown(capsys, away / "rows.jsonl")
    assert {entry["standing"] for entry in (top, *others)} == {"claimed"}
    assert [e["role"] for e in others if e["depth"] == 1] == ["dataset", "completions", "teacher"]


def test_a_shipped_model_claims_its_seeds(capsys: Told) -> None:
    top, card = _shown(capsys, "builtin/fledgling-b")
    assert (card["standing"], card["facts"]["init_seed"], card["facts"]["order_seed"]) == ("claimed", "1", "0")
    assert top["digest"]


def test_nothing_has_no_origin(tmp_path: Path, capsys: Told) -> None:
    assert main(["lineage", "show", str(tmp_path / "nothing")]) == 2
    assert "give a file, a folder, or a model" in capsys.readouterr().err
    ours, foreign = tmp_path / f"dataset-{'0' * 20}", tmp_path / "site"
    for folder in (ours, foreign):
        folder.mkdir()
        (folder / "manifest.json").write_text("{")
    assert main(["lineage", "show", str(ours)]) == 2
    assert "so the origin is unknown" in capsys.readouterr().err
    assert [entry["standing"] for entry in _shown(capsys, foreign)] == ["claimed"]


def test_a_file_put_into_an_artifact_is_no_part_of_it(copied: Path, capsys: Told) -> None:
    folder = min(copied.glob("store/dataset-*"))
    (folder / "more.jsonl").write_text("{}")
    assert [entry["standing"] for entry in _shown(capsys, folder / "more.jsonl")] == ["claimed"]
    make(Path("key"), 30)
    assert main(["lineage", "sign", str(folder), "--key", "key"]) == 2
    assert "more.jsonl is no part of dataset-" in capsys.readouterr().err

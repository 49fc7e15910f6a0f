"""Records, reports, manifests and cards that are damaged or made to do harm: one sentence, and all others are shown."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import origins
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.engine.digests import digest, file_digest
from undertone.engine.manifest import FILE, Damaged, Manifest, Source, key_of
from undertone.engine.provenance import chain
from undertone.lineage.claims import claims
from undertone.lineage.show import entries

Told = pytest.CaptureFixture[str]
NOTHING = {"value": 0, "ci": None, "units": 0, "method": ""}
DEEP = "[" * 100_000


@pytest.fixture(scope="session")
def made(once: Once) -> Path:
    return once("origins", origins.make)


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to be damaged, in which we stand."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _fifo(path: Path) -> object:
    return os.mkfifo(path)


def _device(path: Path) -> object:
    return path.symlink_to("/dev/zero")


def _huge(path: Path) -> object:
    with path.open("wb") as file:
        return file.truncate(2**40)


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "fifo": _fifo, "device": _device, "huge": _huge, "folder": Path.mkdir, "deep": _text(DEEP), "empty": _text(""),
    "list": _text("[]"), "null": _text("null"), "number": _text("1" * 5000), "infinite": _text('{"format": 1e999}'),
    "surrogate": _text(r'{"format": "\ud800"}'), "object": _text('{"format": {"a": []}}'),
    "old": _text('{"format": 1}'),
    "long": _text(json.dumps({"format": "x" * 10**6})), "key": _text(json.dumps({"x" * 10**6: 1})),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\0"), "loop": lambda path: path.symlink_to(path.name),
}  # fmt: skip


def _sentence(capsys: Told) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("undertone: ") and len(line) < 1000
    return line


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_listed_with_its_reason_and_hides_no_other(damage: str, here: Path, capsys: Told) -> None:
    (here / "damaged").mkdir()
    DAMAGES[damage](here / "damaged" / "run.json")
    assert main(["runs", ".", "--json"]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["run"]["state"] == "finished"
    if damage != "loop":  # a link that leads nowhere is no file
        assert rows["damaged"]["state"] == "unreadable" and "run.json" in rows["damaged"]["said"]
    for arguments in (["report", "damaged"], ["lineage", "show", "damaged"], ["run", "damaged"]):
        code = main(arguments)
        assert code == 2 or arguments[0] == "lineage"  # without a run it is a folder like others
        assert code == 0 or _sentence(capsys)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_report_is_refused(damage: str, here: Path, capsys: Told) -> None:
    (here / "run" / "report.json").unlink()
    DAMAGES[damage](here / "run" / "report.json")
    assert main(["report", "run"]) == 2
    assert "report.json" in _sentence(capsys)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_breaks_the_chain(damage: str, here: Path, capsys: Told) -> None:
    dataset, teacher = (min(here.glob(f"store/{stage}-*")) for stage in ("dataset", "teacher"))
    (teacher / FILE).unlink()
    DAMAGES[damage](teacher / FILE)
    assert main(["why", str(dataset)]) == 0
    assert "damaged, or no longer in the store" in capsys.readouterr().out
    assert main(["lineage", "show", str(dataset), "--json"]) == 1
    told = {entry["role"]: entry["standing"] for entry in json.loads(capsys.readouterr().out)}
    assert told["teacher"] == "missing"
    assert main(["lineage", "show", "run"]) == 1
    capsys.readouterr()
    if (teacher / FILE).is_file():
        assert main(["why", str(teacher)]) == 2
        assert teacher.name in _sentence(capsys)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name", ["README.md", "adapter_config.json", "croissant.json", "card.json", "mine.intoto.jsonl"]
)
def test_a_card_that_cannot_be_read_is_shown_as_such(name: str, damage: str, here: Path, capsys: Told) -> None:
    path = here / name if name == "mine.intoto.jsonl" else here / "mine" / name
    path.unlink(missing_ok=True)
    DAMAGES[damage](path)
    assert main(["lineage", "show", "mine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)[1:]
    assert {entry["standing"] for entry in told} == {"claimed"}
    unreadable = [entry["note"] for entry in told if entry["name"] == name]
    if damage in ("fifo", "device", "folder", "loop") or (damage in ("huge", "deep") and name != "README.md"):
        (note,) = unreadable
        assert note.startswith("cannot be read: ")


@pytest.mark.parametrize(
    "head", ["a: !!bool x", "a: !!int ''", "a: !!timestamp x", "a: &a [*a]", "[" * 10_000, "a: {b: [c", "\x07", "a: *b"]
)
def test_a_head_that_is_no_yaml_is_shown_as_unreadable(head: str, here: Path) -> None:
    (here / "mine" / "README.md").write_text(f"---\n{head}\n---\n")
    (entry,) = (entry for entry in claims(here / "mine") if entry.name == "README.md")
    assert entry.note.startswith("cannot be read: ") and "\n" not in entry.note
    for path in ("mine", "mine/data.jsonl"):  # also beside a file
        assert main(["lineage", "show", path]) == 0


def test_a_head_that_grows_when_it_is_read_is_refused(here: Path) -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    lines += [
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (here / "mine" / "README.md").write_text("---\n" + "\n".join(lines) + "\nbase_model: *i\n---\n")
    (entry,) = (entry for entry in claims(here / "mine") if entry.name == "README.md")
    assert entry.note == "cannot be read: too many values"


@pytest.mark.parametrize("thing", ["/dev/zero", "fifo", "x" * 300])
def test_what_is_no_file_has_no_origin(thing: str, here: Path, capsys: Told) -> None:
    os.mkfifo(here / "fifo")
    for command in (["lineage", "show"], ["why"], ["report"], ["runs"], ["lineage", "verify", "--key", "k", "--"]):
        assert main([*command, thing]) == 2, command
        _sentence(capsys)


def test_a_lock_that_is_a_pipe_does_not_hold_up_the_list(here: Path, capsys: Told) -> None:
    value = json.loads((here / "run" / "run.json").read_text())
    (here / "run" / "run.json").write_text(json.dumps(value | {"finished": False}))
    (here / "run" / ".lock").unlink()
    os.mkfifo(here / "run" / ".lock")
    assert main(["runs", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "unknown"


@pytest.mark.parametrize(
    "change",
    [
        {"arms": []}, {"differences": []}, {"shown": 7},
        {"arms": [{"arm": "own", "auxiliary": 3, "models": [], "mean": NOTHING}]},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_do_not_fit_together_are_refused(change: dict[str, Any], here: Path, capsys: Told) -> None:
    path = here / "run" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert main(["report", "run"]) == 2
    assert "run/report.json do not fit together" in _sentence(capsys)


# --- manifests and records that somebody made ----------------------------------------------------------------------


def _artifact(store: Path, stage: str, files: dict[str, str], **inputs: Source) -> Source:
    """An artifact whose manifest has the right seal and key, made by hand."""
    key = key_of(stage, 1, {}, inputs)
    folder = store / f"{stage}-{key[:20]}"
    folder.mkdir(parents=True)
    Manifest(
        stage=stage, version=1, key=key, spec={}, inputs=inputs, files=files, made_with={}, seconds=0.0
    ).write(folder)  # fmt: skip
    return Source(key=key, name=folder.name)


def test_a_chain_longer_than_the_stack_is_deep_is_followed(tmp_path: Path) -> None:
    source = _artifact(tmp_path, "x", {})
    for _ in range(1200):
        source = _artifact(tmp_path, "x", {}, x=source)
    assert len(list(chain(tmp_path / source.name))) == 1201


def test_an_artifact_under_the_name_of_another_is_none_of_the_chain(here: Path, capsys: Told) -> None:
    dataset, teacher = (min(here.glob(f"store/{stage}-*")) for stage in ("dataset", "teacher"))
    shutil.rmtree(teacher)
    other = _artifact(here / "store", "teacher", {})
    (here / "store" / other.name).rename(teacher)
    assert main(["lineage", "show", str(dataset), "--json"]) == 1
    told = {entry["role"]: entry["standing"] for entry in json.loads(capsys.readouterr().out)}
    assert told["teacher"] == "missing"


def test_an_edited_manifest_does_not_have_its_key_though_it_is_sealed_again(here: Path) -> None:
    path = min(here.glob("store/dataset-*")) / FILE
    value = json.loads(path.read_text())
    value.pop("seal")
    value["spec"]["seed"] = 2
    path.write_text(json.dumps(value | {"seal": digest(value)}))
    with pytest.raises(Damaged, match="does not have the key that its own content gives"):
        Manifest.read(path.parent)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", "a/../../b"])
def test_a_manifest_names_only_files_of_its_own_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out of the artifact's folder"):
        _artifact(tmp_path, "x", {name: "0" * 64})


def test_files_that_name_each_other_as_their_originals_end(here: Path) -> None:
    one, two = here / "a" / "one.jsonl", here / "b" / "two.jsonl"
    told = json.loads((here / "treated" / "treatment.json").read_text())
    for path in (one, two):
        path.parent.mkdir()
        path.write_text(path.name)
    for path, original in ((one, two), (two, one)):
        digests = {path.name: file_digest(path)}
        record = told | {"file": str(original), "digest": file_digest(original), "digests": digests}
        (path.parent / "treatment.json").write_text(json.dumps(record))
    assert [entry.name for entry in entries(str(one)) if entry.role == "file"] == [str(two), str(one)]


@pytest.mark.parametrize(
    "change", [{"does": 1}, {"digest": 1}, {"digests": []}, {"base": None}, {"files": None}, {"seed": []}], ids=str
)
def test_a_damaged_treatment_is_no_record(change: dict[str, Any], here: Path) -> None:
    path = here / "treated" / "treatment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert [entry.standing for entry in entries("treated/treated.jsonl")] == ["claimed"]


def test_a_name_that_is_not_utf8_is_refused(here: Path, capsys: Told) -> None:
    path = Path(os.fsdecode(b"caf\xe9.jsonl"))
    path.write_text("{}")
    assert main(["lineage", "show", str(path)]) == 2
    assert "is not UTF-8" in _sentence(capsys)

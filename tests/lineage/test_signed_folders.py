"""A signed folder is the exact set of its files: whatever is added, removed, renamed or changed is seen."""

import base64
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers import origins
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.lineage import keys
from undertone.lineage.envelope import sealed

Told = pytest.CaptureFixture[str]
FIFO, LINK = "fifo", "link"


@pytest.fixture(scope="session")
def signed(once: Once) -> Path:
    """``run`` and ``mine`` with their statements and the keys ``key`` and ``key.pub``; not to be changed."""

    def make(folder: Path) -> None:
        origins.make(folder)
        keys.make(folder / "key", 30)
        for name in ("run", "mine"):
            assert main(["lineage", "sign", str(folder / name), "--key", str(folder / "key")]) == 0

    return once("signed-folders", make)


@pytest.fixture
def here(signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to be changed, in which we stand."""
    shutil.copytree(signed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _verify(name: str, *more: str) -> int:
    return main(["lineage", "verify", name, "--key", "key.pub", *more])


@pytest.mark.parametrize("folder", ["run", "mine", "mine/inner", "mine/new/deep"])
@pytest.mark.parametrize("content", [b"", b"x"])
@pytest.mark.parametrize(
    "name",
    [".lock", "model.safetensors.intoto.jsonl", "rows.jsonl.croissant.json", "mine.card.md", "mine.intoto.jsonl",
     ".hidden", "a.txt", "\N{GREEK SMALL LETTER ALPHA}", "new\nline", "manifest.json"],
)  # fmt: skip
def test_an_added_file_is_seen_whatever_its_name(folder: str, name: str, content: bytes, here: Path) -> None:
    path = here / folder / name
    if path.exists():
        path.unlink()
        assert _verify("run") == 2, "a lock is signed as the file it is, and missed"
        return
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(content)
    assert _verify(folder.partition("/")[0]) == 2


def _rename(path: Path) -> object:
    return path.rename(path.with_name("renamed"))


def _grow(path: Path) -> object:
    return path.write_bytes(path.read_bytes() + b"\0")


def _empty(path: Path) -> object:
    return path.write_bytes(b"" if path.stat().st_size else b"x")


def _link_to_a_copy(path: Path) -> object:
    shutil.copy(path, "copy")
    path.unlink()
    return path.symlink_to(Path("copy").absolute())


def _fifo(path: Path) -> object:
    path.unlink()
    return os.mkfifo(path)


def _device(path: Path) -> object:
    path.unlink()
    return path.symlink_to("/dev/zero")


def _folder(path: Path) -> object:
    path.unlink()
    return path.mkdir()


@pytest.mark.parametrize("file", ["run/run.json", "mine/README.md", "mine/empty", "mine/inner/more/notes.txt"])
@pytest.mark.parametrize(
    "change", [Path.unlink, _rename, _grow, _empty, _link_to_a_copy, _fifo, _device, _folder], ids=lambda f: f.__name__
)
def test_a_file_that_is_not_what_was_signed_is_seen(
    change: Callable[[Path], object], file: str, here: Path, capsys: Told
) -> None:
    change(here / file)
    assert _verify(file.partition("/")[0]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("undertone: ")


def test_a_folder_put_for_another_by_a_link_is_seen(here: Path) -> None:
    (here / "mine" / "inner").rename(here / "outside")
    (here / "mine" / "inner").symlink_to(here / "outside")
    assert _verify("mine") == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_not_passed_over(here: Path, capsys: Told) -> None:
    (here / "mine" / "inner").chmod(0)
    assert _verify("mine") == 2
    (here / "mine" / "inner").chmod(0o700)
    assert "cannot be read" in capsys.readouterr().err


def test_what_was_signed_is_verified_wherever_it_lies(here: Path, capsys: Told) -> None:
    assert _verify("run", "--store", "store") == _verify("mine") == 0
    assert "mine is what was signed with key.pub: 6 files, byte for byte." in capsys.readouterr().out
    (here / "elsewhere").mkdir()
    shutil.move("mine", here / "elsewhere" / "renamed")
    assert _verify("elsewhere/renamed", "--statement", "mine.intoto.jsonl") == 0
    (here / "elsewhere" / "renamed" / "no-file").mkdir()
    assert _verify("elsewhere/renamed", "--statement", "mine.intoto.jsonl") == 0, "folders count by their files only"


@pytest.mark.parametrize("out", ["mine/statement", "mine/inner/x.intoto.jsonl", "run/../mine/statement"])
def test_a_statement_lies_outside_of_what_it_is_about(out: str, here: Path, capsys: Told) -> None:
    assert main(["lineage", "sign", "mine", "--key", "key", "--out", out]) == 2
    assert "would be a part of what it states" in capsys.readouterr().err
    shutil.copy("mine.intoto.jsonl", out)
    assert _verify("mine", "--statement", out) == 2, "nor is it passed over when it is put there later"
    assert "is not in the statement" in capsys.readouterr().err


def test_one_file_of_a_signed_folder_is_verified_as_one(here: Path, capsys: Told) -> None:
    assert _verify("mine/data.jsonl", "--statement", "mine.intoto.jsonl") == 0
    assert "mine/data.jsonl is what was signed with key.pub: 1 files" in capsys.readouterr().out
    shutil.copy("mine/README.md", "mine/data.jsonl")
    assert _verify("mine/data.jsonl", "--statement", "mine.intoto.jsonl") == 2, "the bytes of another of its files"


@pytest.mark.parametrize("kind", [FIFO, LINK, "/dev/zero", "name"])
def test_what_is_no_plain_file_is_not_signed(kind: str, here: Path, capsys: Told) -> None:
    odd = here / "mine" / "odd"
    if kind == FIFO:
        os.mkfifo(odd)
    elif kind == "name":
        Path(os.fsdecode(os.fsencode(odd) + b"\xff")).touch()
    else:
        odd.symlink_to("data.jsonl" if kind == LINK else kind)
    assert main(["lineage", "sign", "mine", "--key", "key", "--out", "new"]) == 2
    assert ("is not UTF-8" if kind == "name" else "is not a plain file") in capsys.readouterr().err
    assert not Path("new").exists()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_any_change_of_any_file_is_seen(signed: Path, tmp_path: Path, draw: Random) -> None:
    shutil.rmtree(tmp_path / "mine", ignore_errors=True)
    shutil.copytree(signed / "mine", tmp_path / "mine")
    path = draw.choice(sorted(p for p in (tmp_path / "mine").rglob("*") if p.is_file()))
    content = bytearray(path.read_bytes())
    content.insert(draw.randrange(len(content) + 1), draw.randrange(256))
    path.write_bytes(content)
    statement = str(signed / "mine.intoto.jsonl")
    arguments = [
        "lineage",
        "verify",
        str(tmp_path / "mine"),
        "--key",
        str(signed / "key.pub"),
        "--statement",
        statement,
    ]
    assert main(arguments) == 2
    path.write_bytes((signed / path.relative_to(tmp_path)).read_bytes())
    assert main(arguments) == 0


def _subjects(change: Callable[[list[dict[str, object]]], object], here: Path) -> int:
    """The exit code after a change of the subjects that is signed by the trusted key itself."""
    path = here / "mine.intoto.jsonl"
    payload = json.loads(base64.b64decode(json.loads(path.read_text())["payload"]))
    change(payload["subject"])
    path.write_text(sealed(json.dumps(payload).encode(), keys.private(here / "key")))
    return _verify("mine")


@pytest.mark.parametrize(
    "change",
    [
        lambda subjects: subjects.append(subjects[0]),
        lambda subjects: subjects.append({"name": "more", "digest": {"sha256": "0" * 64}}),
        lambda subjects: subjects.pop(),
        lambda subjects: subjects[0].update(digest={"sha512": "0" * 128}),
        lambda subjects: subjects[0].update(name=["x"]),
        lambda subjects: subjects[0].pop("name"),
        lambda subjects: subjects[0].update(digest={"sha256": "A" * 64}),
    ],
)
def test_a_statement_of_other_subjects_is_refused_though_it_is_signed(
    change: Callable[[list[dict[str, object]]], object], here: Path
) -> None:
    assert _subjects(lambda subjects: None, here) == 0
    assert _subjects(change, here) == 2


@pytest.mark.parametrize("which", ["key.pub", "mine.intoto.jsonl"])
@pytest.mark.parametrize("put", [FIFO, "/dev/zero", "huge", "folder", "deep"])
def test_a_key_and_a_statement_are_regular_files_of_usual_size(which: str, put: str, here: Path, capsys: Told) -> None:
    path = here / which
    path.unlink()
    if put == FIFO:
        os.mkfifo(path)
    elif put == "huge":
        with path.open("wb") as file:
            file.truncate(2**40)
    elif put == "folder":
        path.mkdir()
    elif put == "deep":
        path.write_text("[" * 100_000)
    else:
        path.symlink_to(put)
    assert _verify("mine") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert which in line


def test_an_envelope_of_too_many_signatures_is_refused_before_any_is_tried(here: Path, capsys: Told) -> None:
    path = here / "mine.intoto.jsonl"
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"signatures": [{"keyid": "x", "sig": "AAAA"}] * 20 + value["signatures"]}))
    assert _verify("mine") == 2
    assert "has 21 signatures" in capsys.readouterr().err

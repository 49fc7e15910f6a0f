"""Records, reports, manifests, statements, keys and cards, as the commands read them that show and verify."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.fuzz.harness import Case
from tests.helpers import origins
from undertone.cli import main
from undertone.engine.digests import digest, file_digest
from undertone.lineage import keys
from undertone.lineage.envelope import sealed
from undertone.reading.hostile import visible
from undertone.report import svg

HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**30, "", "x" * 10_000, "\x1b[2J\x1b]0;owned\x07", "\u202egnp.exe", "[/red]", "a\0b",
    "../../../etc/passwd", "/dev/zero", "\ud800", "9999-12-31T23:59:59-23:59", [], {}, [[]], {"a": {}},
    "\r\nundertone: ok",
)  # fmt: skip
FILES = (
    "run/run.json", "run/report.json", "store/*/manifest.json", "store/dataset-*/counts.json", "store/*/rows.jsonl",
    "mine/README.md", "mine/croissant.json", "mine/adapter_config.json", "mine/data.jsonl", "mine/empty",
    "treated/treatment.json", "run.intoto.jsonl", "mine.intoto.jsonl", "mine.card.md", "key", "key.pub", "run/.lock",
)  # fmt: skip
SIGNED = ("run", "mine")


def prepare(folder: Path) -> Case:
    """Makes and signs everything once; each case mutates a copy."""
    origins.make(folder)
    with chdir(folder), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        assert main(["report", "run"]) == 0  # it draws the page, which is signed then
        keys.make(Path("key"), 30)
        for name in SIGNED:
            assert main(["lineage", "sign", name, "--key", "key"]) == 0
        for arguments in _commands():
            assert main(arguments) == 0, arguments  # and what it needs is imported

    def case(rng: Random, place: Path) -> str:
        svg.drawn = lambda spec: '<svg xmlns="http://www.w3.org/2000/svg"></svg>'  # another process draws
        shutil.copytree(folder, place, symlinks=True, dirs_exist_ok=True)
        with chdir(place):
            return _tried(rng, place)

    return case


def _commands(about: str = "") -> list[list[str]]:
    """The commands that read a file of this first part of its path; all of them by default."""
    artifact = str(min(Path("store").glob("dataset-*")))
    show, verify = ["lineage", "show"], ["lineage", "verify"]
    trusted = ["--key", "key.pub", "--store", "store"]
    every = {
        "run": [["runs", "."], ["report", "run"], [*show, "run"], [*verify, "run", *trusted]],
        "store": [["why", artifact], [*show, artifact], [*show, "run"], [*verify, "run", *trusted]],
        "mine": [[*show, "mine"], [*show, "mine/data.jsonl"], [*verify, "mine", *trusted]],
        "treated": [[*show, "treated/treated.jsonl"]],
        "key": [[*verify, "mine", *trusted]],
    }
    return every.get(about.partition(".")[0], [arguments for some in every.values() for arguments in some])


def _tried(rng: Random, place: Path) -> str:
    path = rng.choice(sorted(place.glob(rng.choice(FILES))))
    rows = _rows()
    how = rng.choice(MUTATIONS)(rng, path)
    sign = ["lineage", "sign", "mine", "--key", "key", "--out", "new"]
    arguments = rng.choice([*_commands(path.relative_to(place).parts[0]), sign])
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    told = out.getvalue() + err.getvalue()
    assert told == visible(told), f"control characters reach the terminal: {told!r:.200}"
    assert code in (0, 1, 2), (arguments, code)
    assert (code == 2) == bool(err.getvalue()), (arguments, told)
    if arguments[0] == "runs":
        assert code == 0, "a damaged record ends the list of all runs"
    if arguments[:2] == ["lineage", "verify"] and code == 0:
        what = f"{how} at {path.relative_to(place)} is verified by {arguments}"
        assert _is_signed(Path(arguments[2])), what
        assert arguments[2] != "run" or _rows() == rows, what
    if arguments[:2] == ["lineage", "show"] and path.name == "rows.jsonl" and str(path.parent.name) in arguments[2]:
        assert code == 1 or rows == _rows(), "changed rows are shown as verified"
    return ("refused", "told", "found")[{2: 0, 0: 1, 1: 2}[code]]


def _rows() -> list[bytes]:
    """The rows of all artifacts."""
    return [_content(path) for path in sorted(Path("store").rglob("rows.jsonl"))]


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() and path.stat().st_size < 2**30 else b"no plain file"


def _is_signed(folder: Path) -> bool:
    """Whether the statement beside a folder is about exactly its files and signed with the key; without our code."""
    content = _content(Path("key.pub"))
    envelope = json.loads(_content(Path(f"{folder}.intoto.jsonl")))
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    key = load_pem_public_key(content[content.find(b"-----BEGIN") :])
    assert isinstance(key, Ed25519PublicKey)
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)
    stated = {one["name"]: one["digest"]["sha256"] for one in json.loads(payload)["subject"]}
    there = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    plain = all(path.is_file() and not path.is_symlink() for path in there)
    return plain and stated == {str(path.relative_to(folder)): file_digest(path) for path in there}


def _bytes(rng: Random, path: Path) -> str:
    content = bytearray(path.read_bytes() if path.is_file() else b"")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        content[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
    path.write_bytes(content)
    return "a change of bytes"


def _cut(rng: Random, path: Path) -> str:
    content = path.read_bytes()
    path.write_bytes(
        content[: rng.randrange(len(content) + 1)] + rng.choice((b"", b"[" * 100_000, b"\xff", b"\x1b[2J"))
    )
    return "a cut"


def _odd(rng: Random, path: Path) -> str:
    path.unlink()
    kind = rng.randrange(4)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to(rng.choice(("/dev/zero", "/etc/passwd", path.name)))
    elif kind == 2:
        with path.open("wb") as file:
            file.truncate(2**28)  # more than is read of any record
    else:
        path.mkdir()
    return "another kind of file"


def _added(rng: Random, path: Path) -> str:
    names = (".lock", "model.safetensors.intoto.jsonl", "x.croissant.json", "x.card.md", ".hidden", "é", "\x1b[2J", "-")
    folder = path.parent if path.parent.name in SIGNED else Path(rng.choice(SIGNED))
    added = folder / rng.choice(names)
    if not added.exists():
        added.write_bytes(rng.choice((b"", b"x")))
    return "a file"


def _yaml(rng: Random, path: Path) -> str:
    heads = (
        "!!bool x", "!!int ''", "!!timestamp x", "base_model: &a [*a]", "a: {" * 1000, "base_model: \x85\x9b31m",
        "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nbase_model: [*b,*b,*b,*b]", "base_model: 'a\\e[2J'",
        'base_model: "a\\e[2J"', "1: !!python/object:os.system x", "? [a]\n: b",
    )  # fmt: skip
    head = rng.choice(heads)
    path.write_text(f"---\n{head}\n---\n", encoding="utf-8")
    return f"the head {head:.40}"


def _values(rng: Random, path: Path) -> str:
    """A value of the JSON changed, and the seal of a manifest or the signature of a statement made anew."""
    try:
        value = json.loads(path.read_text())
    except (ValueError, OSError):
        return _bytes(rng, path)
    again = rng.random() < 0.7
    if path.suffixes[-2:] == [".intoto", ".jsonl"] and again:
        payload = json.loads(base64.b64decode(value["payload"]))
        told = _mutated(rng, payload)
        path.write_text(
            sealed(json.dumps(payload).encode(), keys.private(Path("key"))) if Path("key").is_file() else ""
        )
        return told
    told = _mutated(rng, value)
    if path.name == "manifest.json" and again and isinstance(value, dict):
        value.pop("seal", None)
        value["seal"] = digest(value)
    path.write_text(json.dumps(value))
    return told


def _mutated(rng: Random, value: Any) -> str:
    """Changes one value somewhere inside."""
    where = []
    while isinstance(value, dict | list) and value:
        key = rng.choice(sorted(value)) if isinstance(value, dict) else rng.randrange(len(value))
        where.append(key)
        inner = value[key]
        if not (isinstance(inner, dict | list) and inner) or rng.random() < 0.25:
            if isinstance(value, dict) and rng.random() < 0.2:
                value[rng.choice([one for one in HOSTILE if isinstance(one, str)])] = value.pop(key)
            elif rng.random() < 0.15:
                del value[key]
            else:
                value[key] = rng.choice(HOSTILE)
            break
        value = inner
    return f"another value at {where}"


MUTATIONS: tuple[Callable[[Random, Path], str], ...] = (_bytes, _cut, _odd, _added, _yaml, _values, _values, _values)

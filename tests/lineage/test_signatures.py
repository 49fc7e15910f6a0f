"""Signed statements of origin: anyone can verify them, and what does not hold is refused with its reason."""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.lineage import keys
from undertone.lineage.envelope import opened, sealed
from undertone.lineage.show import entries
from undertone.lineage.statement import statement

Told = pytest.CaptureFixture[str]
Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def signed(copied: Path) -> Path:
    """The rows of a dataset in a store, with a statement beside them, signed with ``key`` in the folder we stand in."""
    keys.make(Path("key"), 30)
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    assert main(["lineage", "sign", str(rows), "--key", "key"]) == 0
    return rows


def _verify(path: Path, *more: str) -> int:
    return main(["lineage", "verify", str(path), "--key", "key.pub", *more])


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".intoto.jsonl")


def _resigned(path: Path, edit: Edit) -> None:
    """The statement beside ``path`` changed and signed anew with the same key."""
    payload = json.loads(base64.b64decode(json.loads(_beside(path).read_text())["payload"]))
    edit(payload)
    _beside(path).write_text(sealed(json.dumps(payload).encode(), keys.private(Path("key"))))


def test_a_statement_is_verified_with_cryptography_alone(signed: Path) -> None:
    """Nothing of ours reads here: envelope, encoding and statement are taken apart by their specifications."""
    envelope = json.loads(_beside(signed).read_text())
    kind, payload = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
    encoded = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    key = load_pem_public_key(Path("key.pub").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    (signature,) = envelope["signatures"]
    key.verify(base64.b64decode(signature["sig"]), encoded)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature["sig"]), payload)
    stated = json.loads(payload)
    assert (stated["_type"], stated["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert stated["subject"] == [
        {"name": "rows.jsonl", "digest": {"sha256": hashlib.sha256(signed.read_bytes()).hexdigest()}}
    ]
    for one in stated["predicate"]["buildDefinition"]["resolvedDependencies"]:
        store = signed.parent.parent
        path = store / one["name"] if "content" in one else Path(one["name"].removeprefix("hf/"))
        assert hashlib.sha256(path.read_bytes()).hexdigest() == one["digest"]["sha256"]


def test_the_statement_names_generator_sampler_filter_and_base(signed: Path, capsys: Told) -> None:
    capsys.readouterr()
    assert _verify(signed, "--store", str(signed.parent.parent), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["parents"], found["models"], found["claims"]) == (3, ["hf/./neox"], 0)
    making = statement(signed)["predicate"]["buildDefinition"]
    assert making["externalParameters"]["spec"]["filter"]["kind"] == "numbers"
    assert making["externalParameters"]["spec"]["rows"] == 20
    names = {one["name"].partition("-")[0] for one in making["resolvedDependencies"] if "content" in one}
    assert names == {"dataset", "completions", "teacher"}


def test_croissant_is_written_along_and_read_back_as_a_claim(signed: Path, tmp_path: Path, capsys: Told) -> None:
    path = signed.with_name("rows.jsonl.croissant.json")
    told = json.loads(path.read_text())
    (file,) = told["distribution"]
    assert (told["conformsTo"], file["@type"]) == ("http://mlcommons.org/croissant/1.0", "cr:FileObject")
    assert file["sha256"] == hashlib.sha256(signed.read_bytes()).hexdigest()
    (tmp_path / "away").mkdir()
    for one in (signed, path):
        shutil.copy(one, tmp_path / "away")
    found = entries(str(tmp_path / "away" / "rows.jsonl"))
    parents = {entry.name for entry in entries(str(signed)) if entry.depth}
    assert {entry.name for entry in found if entry.role == "derived from"} == parents
    assert [entry.note for entry in found if entry.role == "file"] == [f"its bytes have the digest in {path.name}"]
    assert {entry.standing for entry in found} == {"claimed"}
    assert main(["lineage", "sign", str(signed.parent), "--key", "key"]) == 2, "no file is passed over for its name"
    assert f"{path.name} is no part of {signed.parent.name}; move it away" in capsys.readouterr().err


def test_a_model_card_is_written_along_and_read_back_as_a_claim(copied: Path, tmp_path: Path) -> None:
    keys.make(Path("key"), 30)
    student = min(copied.glob("store/student-*"))
    assert main(["lineage", "sign", str(student), "--key", "key"]) == 0
    card = student.with_name(student.name + ".card.md")
    told = {e.role: e.name for e in entries(str(student)) if e.depth == 1}
    assert main(["lineage", "verify", str(student), "--key", "key.pub"]) == 0, "the card is no part of what is signed"
    away = tmp_path / "published"
    shutil.copytree(student / "adapter", away)
    shutil.copy(card, away / "README.md")
    found = [entry for entry in entries(str(away)) if entry.note == "says README.md"]
    assert {entry.name for entry in found if entry.role == "dataset"} == {told["dataset"]}
    assert {entry.name for entry in found if entry.role == "base"} == {told["base"]}
    assert {entry.facts.get("relation") for entry in found if entry.role == "base"} == {"adapter"}
    before = card.read_text()
    (student.with_name(student.name + ".intoto.jsonl")).unlink()
    card.write_text(before + "mine")
    assert main(["lineage", "sign", str(student), "--key", "key"]) == 0
    assert card.read_text() == before + "mine", "a card that is there is not overwritten"


def test_a_whole_run_is_signed_with_every_artifact_of_it(copied: Path, capsys: Told) -> None:
    keys.make(Path("key"), 30)
    assert main(["lineage", "sign", "run", "--key", "key"]) == 0
    assert _verify(Path("run"), "--store", "store") == 0
    assert "21 artifacts, every file of them in store, back to hf/./neox" in capsys.readouterr().out
    teacher = min(copied.glob("store/teacher-*"))
    shutil.rmtree(teacher)
    assert _verify(Path("run"), "--store", "store") == 2
    assert f"A parent is missing: {teacher.name} is not in store" in capsys.readouterr().err
    with (copied / "run" / "report.html").open("a") as page:
        page.write(" ")
    assert _verify(Path("run")) == 2
    assert "run/report.html was changed after it was signed" in capsys.readouterr().err


def test_foreign_files_are_signed_with_their_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Told
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("---\nbase_model: someone/else\n---\n# mine\n")
    keys.make(Path("key"), 30)
    assert main(["lineage", "sign", "mine", "--key", "key"]) == 0
    assert _verify(Path("mine")) == 0
    assert "not on record; 1 claims of others" in capsys.readouterr().out
    (tmp_path / "mine" / "model.safetensors").write_bytes(b"more")
    assert _verify(Path("mine")) == 2
    assert "mine/model.safetensors is not in the statement" in capsys.readouterr().err
    (tmp_path / "mine" / "model.safetensors").unlink()
    (tmp_path / "mine" / "README.md").rename(tmp_path / "mine" / "other.md")
    assert _verify(Path("mine")) == 2
    assert "about README.md, not about mine" in capsys.readouterr().err


def test_a_changed_byte_names_the_file(signed: Path, capsys: Told) -> None:
    content = bytearray(signed.read_bytes())
    content[len(content) // 2] ^= 1
    signed.write_bytes(content)
    assert _verify(signed) == 2
    assert f"{signed} was changed after it was signed" in capsys.readouterr().err


def test_a_statement_replayed_for_another_file_is_refused(signed: Path, capsys: Told) -> None:
    other = max(signed.parent.parent.glob("dataset-*/rows.jsonl"))
    shutil.copy(_beside(signed), _beside(other))
    assert _verify(other) == 2
    assert "was changed after it was signed" in capsys.readouterr().err
    renamed = signed.with_name("other.jsonl")
    shutil.copy(other, renamed)
    assert _verify(renamed, "--statement", str(_beside(signed))) == 2
    assert "is about rows.jsonl, not about" in capsys.readouterr().err
    shutil.copy(signed, renamed)
    assert _verify(renamed, "--statement", str(_beside(signed))) == 0, "the same bytes under another name"


def _drop(stage: str) -> Edit:
    def edit(payload: dict[str, Any]) -> None:
        making = payload["predicate"]["buildDefinition"]
        making["resolvedDependencies"] = [one for one in making["resolvedDependencies"] if stage not in one["name"]]

    return edit


def _swap_subject(payload: dict[str, Any]) -> None:
    payload["predicate"]["buildDefinition"]["externalParameters"]["artifact"] = next(
        one["name"].partition("/")[0]
        for one in payload["predicate"]["buildDefinition"]["resolvedDependencies"]
        if one["name"].startswith("teacher")
    )


def _other_weights(payload: dict[str, Any]) -> None:
    for one in payload["predicate"]["buildDefinition"]["resolvedDependencies"]:
        if one["name"] == "hf/./neox/model.safetensors":
            one["digest"]["sha256"] = "0" * 64


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (_drop("teacher-"), "a parent is missing: the teacher of completions-"),
        (_drop("hf/"), "hf/./neox, is not in the statement"),
        (_drop("dataset-"), "a parent is missing: the record of dataset-"),
        (_drop(""), "has no record of how its subject was made"),
        (_other_weights, "hf/./neox, is another than the one that was used"),
        (_swap_subject, "the statement is for another file"),
        (lambda payload: payload["subject"].clear(), "names no subject"),
        (lambda payload: payload.pop("subject"), "contains no readable statement of provenance"),
        (
            lambda payload: payload.update(predicateType="https://slsa.dev/provenance/v0.2"),
            "is a statement of another type",
        ),
    ],
)
def test_a_chain_with_a_gap_is_refused_though_it_is_signed(edit: Edit, told: str, signed: Path, capsys: Told) -> None:
    _resigned(signed, edit)
    assert _verify(signed) == 2
    assert told in capsys.readouterr().err


def test_an_unknown_key_and_an_expired_one_are_refused(
    signed: Path, capsys: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = keys.make(Path("other"), 30)
    assert main(["lineage", "verify", str(signed), "--key", "other.pub"]) == 2
    assert "which is none of the 1 keys that you trust" in capsys.readouterr().err
    assert main(["lineage", "verify", str(signed), "--key", "other.pub", "key.pub"]) == 0
    assert main(["lineage", "verify", str(signed)]) == 2
    assert "Give the public key that you trust" in capsys.readouterr().err
    assert other.until is not None
    after = other.until + timedelta(days=1)
    monkeypatch.setattr(keys, "today", lambda: after)
    assert _verify(signed) == 2
    assert "signed with key.pub, which expired on" in capsys.readouterr().err
    assert main(["lineage", "sign", str(signed), "--key", "key", "--out", "again"]) == 2
    assert "The key key expired on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"Valid until: 2020-01-01\n", "which expired on 2020-01-01"),
        (b"\xef\xbb\xbfValid until: 2020-01-01\n", "which expired on 2020-01-01"),
        (b"valid until:2020-01-01\r\n", "which expired on 2020-01-01"),
        (b"Valid until: 2999-01-01\nValid until: 2020-01-01\n", "which expired on 2020-01-01"),
        (b"Valid until 2020-01-01\n", "in another form"),
        (b"Expires; valid until: 2020-01-01\n", "in another form"),
    ],
)
def test_a_key_does_not_outlive_its_day_however_the_line_is_written(
    head: bytes, told: str, signed: Path, capsys: Told
) -> None:
    pem = Path("key.pub").read_bytes()
    Path("key.pub").write_bytes(head + pem[pem.index(b"-----BEGIN") :])
    assert _verify(signed) == 2
    assert told in capsys.readouterr().err


def test_of_several_signatures_one_by_a_trusted_key_that_has_not_expired_is_enough(signed: Path) -> None:
    keys.make(Path("old"), 30)
    old = Path("old.pub").read_bytes()
    Path("old.pub").write_bytes(b"Valid until: 2020-01-01\n" + old[old.index(b"-----BEGIN") :])
    statement = json.loads(_beside(signed).read_text())
    payload = base64.b64decode(statement["payload"])
    by_old = json.loads(sealed(payload, keys.private(Path("old"))))["signatures"]
    for one in (*by_old, *statement["signatures"]):  # either alphabet of base64 is DSSE's
        one["sig"] = one["sig"].replace("+", "-").replace("/", "_")
    _beside(signed).write_text(json.dumps(statement | {"signatures": by_old + statement["signatures"]}))
    assert main(["lineage", "verify", str(signed), "--key", "old.pub", "key.pub"]) == 0
    assert main(["lineage", "verify", str(signed), "--key", "old.pub"]) == 2


def test_a_finished_report_without_artifacts_is_signed_as_files(copied: Path, capsys: Told) -> None:
    keys.make(Path("key"), 30)
    record = json.loads(Path("run/run.json").read_text()) | {"artifacts": {}}
    for finished in (False, True):
        Path("run/run.json").write_text(json.dumps(record | {"finished": finished}))
        assert main(["lineage", "sign", "run", "--key", "key"]) == (0 if finished else 2)
    assert "finish it first" in capsys.readouterr().err
    assert main(["lineage", "verify", "run", "--key", "key.pub"]) == 0


def test_a_key_that_others_can_read_or_in_another_format_is_refused(copied: Path, capsys: Told) -> None:
    keys.make(Path("key"), 30)
    rows = str(min(copied.glob("store/dataset-*/rows.jsonl")))

    def refused(content: bytes | None, mode: int = 0o600) -> str:
        if content is not None:
            Path("odd").write_bytes(content)
            Path("odd").chmod(mode)
        assert main(["lineage", "sign", rows, "--key", "odd"]) == 2
        return capsys.readouterr().err

    pem, private = Path("key").read_bytes(), keys.private(Path("key"))
    assert "key odd cannot be read" in refused(None)
    assert "can be read by others" in refused(pem, 0o640)
    assert "in another format" in refused(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert "in another format" in refused(private.private_bytes_raw())
    assert "in another format" in refused(Path("key.pub").read_bytes())
    locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    assert "it is encrypted" in refused(locked)
    curve = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert "a key of another kind" in refused(curve)
    assert "is not a day such as" in refused(pem.replace(b"until: 2", b"until: x"))
    assert main(["lineage", "verify", rows, "--key", "key", "--statement", "none"]) == 2
    assert "is not an ed25519 public key" in capsys.readouterr().err
    assert not list(copied.glob("store/*/*.intoto.jsonl"))


def test_nothing_is_overwritten(signed: Path, capsys: Told) -> None:
    before = {path: path.read_bytes() for path in (_beside(signed), Path("key"), Path("key.pub"))}
    assert main(["lineage", "sign", str(signed), "--key", "key"]) == 2
    assert "exists already and is not overwritten" in capsys.readouterr().err
    assert main(["lineage", "key", "key"]) == 2
    assert "a key is never overwritten" in capsys.readouterr().err
    Path("key.pub").unlink()
    assert main(["lineage", "key", "key"]) == 2
    assert not Path("key.pub").exists(), "no public key without its private one"
    assert {path: path.read_bytes() for path in before if path.exists()} == {
        path: content for path, content in before.items() if path.name != "key.pub"
    }
    assert Path("key").stat().st_mode & 0o077 == 0


def test_what_has_a_broken_chain_is_not_signed(copied: Path, capsys: Told) -> None:
    keys.make(Path("key"), 30)
    rows = min(copied.glob("store/dataset-*/rows.jsonl"))
    for path in copied.glob("store/completions-*/rows.jsonl"):
        path.write_text("changed")
    assert main(["lineage", "sign", str(rows), "--key", "key"]) == 2
    assert "its chain is broken at completions-" in capsys.readouterr().err
    for path in copied.glob("store/completions-*"):
        shutil.rmtree(path)
    assert main(["lineage", "sign", str(rows), "--key", "key"]) == 2
    assert "no longer in the store" in capsys.readouterr().err
    assert not _beside(rows).exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "is not a signed statement"),
        (b"[]", "is not a signed statement"),
        (b'{"payloadType": "text/plain"}', "not an in-toto statement"),
        (
            b'{"payloadType": "application/vnd.in-toto+json", "payload": "!", "signatures": []}',
            "is not a signed statement",
        ),
        (b'{"payloadType": "application/vnd.in-toto+json", "payload": "", "signatures": []}', "has no signature"),
    ],
)
def test_what_is_no_envelope_is_refused(text: bytes, told: str) -> None:
    with pytest.raises(UndertoneError, match=told):
        opened(text, [], "x")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60), st.data())
def test_a_change_of_any_byte_of_the_payload_breaks_the_signature(payload: bytes, data: st.DataObject) -> None:
    trusted = keys.Trusted(_KEY.public_key(), Path("key.pub"), None)
    envelope = json.loads(sealed(payload, _KEY))
    assert opened(json.dumps(envelope).encode(), [trusted], "x")[0] == payload
    changed = data.draw(st.binary(max_size=60).filter(lambda other: other != payload))
    envelope["payload"] = base64.b64encode(changed).decode()
    with pytest.raises(UndertoneError, match=r"was not made with key\.pub"):
        opened(json.dumps(envelope).encode(), [trusted], "x")


_KEY = keys.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

"""Lineage in front of a person: kinship of two models, chains of origins, keys and signatures, the verdict of risk."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from undertone.alignment.findings import Findings as Measured
from undertone.audit.findings import Findings
from undertone.disk import refusal, write_text
from undertone.errors import UndertoneError
from undertone.finetunes.request import FILE as CLOSED
from undertone.lineage import keys, kinship, risk
from undertone.lineage.card import write_card
from undertone.lineage.chain import BAD, SUFFIX, Entry
from undertone.lineage.envelope import sealed
from undertone.lineage.metadata import write_croissant
from undertone.lineage.show import entries
from undertone.lineage.statement import statement
from undertone.lineage.verification import verify
from undertone.report.hostile import one_line
from undertone.running import out_console

KIN_CODES = {"none found": 0, "shared": 1, "unknown": 3}
RISK_CODES = {"allow": 0, "refuse": 1, "cannot tell": 3}
STYLES = {"verified": "green", "recorded": "blue", "claimed": "yellow", "changed": "red", "missing": "red"}


def compare_shown(a: str, b: str, as_json: bool) -> int:
    """Shows whether two models share an initialisation. Exit code 1: they do, 3: unknown."""
    found = kinship.compare(a, b)
    if as_json:
        print(found.model_dump_json())
        return KIN_CODES[found.verdict]
    _say(found.headline)
    if found.tests:
        out_console().print(_tests(found))
    return KIN_CODES[found.verdict]


def _tests(found: kinship.Kinship) -> Table:
    table = Table(box=None)
    for heading in ("units", "groups", "similarity", "would be found", "z", "p"):
        table.add_column(heading)
    for test in found.tests:
        least = "-" if test.detectable is None else f"{test.detectable:.3f}"
        units = test.units if test.equal else f"{test.units} (shapes differ)"
        table.add_row(units, str(test.groups), f"{test.similarity:.3f}", least, f"{test.z:.1f}", f"{test.p:.4f}")
    return table


def show_shown(name: str, drawing: Path | None, as_json: bool) -> int:
    """Shows where a thing comes from, as a tree, and as SVG in ``drawing``. Exit code 1: something was changed."""
    chain = entries(name)
    if drawing is not None:
        from undertone.report.lineage import chain_svg

        write_text(drawing, chain_svg(chain))
    if as_json:
        print(json.dumps([entry.model_dump() for entry in chain]))
    else:
        branches: list[Tree] = []
        for entry in chain:
            branch = branches[entry.depth - 1].add(_told(entry)) if entry.depth else Tree(_told(entry))
            branches[entry.depth :] = [branch]
        out_console().print(branches[0], soft_wrap=True)
    return int(any(entry.standing in BAD for entry in chain))


def _told(entry: Entry) -> Text:
    role = f"{entry.role}: " if entry.role else ""
    digest = f" {entry.digest[:20]}" if entry.digest else ""
    text = Text(f"{role}{one_line(entry.name)}\n").append(entry.standing, STYLES[entry.standing])
    text.append(f"{digest}: {one_line(entry.note)}")
    facts = ", ".join(f"{key}={value}" for key, value in entry.facts.items())
    return text.append(f"\n{one_line(facts)}") if facts else text


def key_shown(path: Path, days: int, as_json: bool) -> int:
    """Makes a pair of keys and says where it lies."""
    made = keys.make(path, days)
    if as_json:
        print(json.dumps({"private": str(path), "public": str(made.path), "id": made.id, "until": str(made.until)}))
        return 0
    _say(f"{path} signs until {made.until}; keep it to yourself. {made.path} is for those who verify.")
    return 0


def sign_shown(path: Path, key: Path, out: Path | None, as_json: bool) -> int:
    """Signs where a file or a folder comes from, and says where the statement lies."""
    signer = keys.private(key)
    if not path.exists():
        raise UndertoneError(f"There is no {path} to be signed.")
    target = out or _beside(path)
    text = sealed(json.dumps(statement(path), sort_keys=True, separators=(",", ":")).encode(), signer)
    try:
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UndertoneError(
            f"{target} is there already and is not overwritten: give another name with --out."
        ) from None
    except OSError as error:
        raise refusal(error, target) from None
    writers = {"croissant": write_croissant, "card": write_card}
    along = {kind: None if out else write(path, entries(str(path))) for kind, write in writers.items()}
    if as_json:
        written = {kind: described and str(described) for kind, described in along.items()}
        print(json.dumps({"statement": str(target), "key": signer.id} | written))
    else:
        for one in (target, *along.values()):
            if one:
                _say(str(one))
    return 0


def verify_shown(path: Path, trusted: Sequence[Path], signed: Path | None, store: Path | None, as_json: bool) -> int:
    """Says what a statement that holds vouches for; one that does not is an error with its reason."""
    if not trusted:
        raise UndertoneError("Give the public key that you trust with --key: without one a signature says nothing.")
    found = verify(path, signed or _beside(path), [keys.public(key) for key in trusted], store)
    if as_json:
        print(found.model_dump_json())
        return 0
    _say(f"{path} is what was signed with {found.key_file}: {len(found.files)} files, byte for byte.")
    if found.parents:
        checked = f", every file of them in {store}" if store else ""
        models = ", ".join(found.models)
        _say(f"Its chain is whole: {found.parents} artifacts{checked}, back to {models}.")
    else:
        _say(f"How it was made is not on record; {found.claims} claims of others are passed on.")
    _say("A signature says who spoke, not that it is true.")
    return 0


def risk_shown(data: Path, audit: Path, generator: str | None, measured: Path | None, as_json: bool) -> int:
    """Says whether a dataset may be trained on, and why. Exit code 1: refused, 3: nobody can tell."""
    report = _report(audit)
    if not report.is_file():
        raise UndertoneError(f"{report} is no audit's report: give the report.json that undertone audit wrote.")
    if (report.parent / CLOSED).is_file():
        raise UndertoneError(
            f"{report} is of a model behind a service, whose kinship with whoever wrote the rows nobody can see: go by "
            "its own verdict."
        )
    after = Measured.load(_report(measured)) if measured else None
    found = risk.judge(data, Findings.load(report), generator, after)
    if as_json:
        print(found.model_dump_json())
    else:
        _say(found.decision.capitalize() + ".")
        for reason in found.reasons:
            _say(f"- {one_line(reason)}")
    return RISK_CODES[found.decision]


def _report(given: Path) -> Path:
    return given / "report.json" if given.is_dir() else given


def _beside(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(path.name + SUFFIX)


def _say(text: str) -> None:
    out_console().print(text, markup=False, highlight=False, soft_wrap=True)

"""Where do a model and its data come from?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from undertone.cli.shared import Flag

app = App(name="lineage", help="Where do a model and its data come from?")


@app.command(name="compare")
def compare_lineage(a: str, b: str, /, *, json: Flag = False) -> int:
    """Tests whether two models share an initialisation, from their weights alone.

    Exit code 0: none was found; 1: they do; 3: unknown, to be read as shared.

    Parameters
    ----------
    a
        builtin/fledgling-a, hf/./path, or BASE:FOLDER with the folder of a LoRA adapter.
    b
        The other one.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import tracing

    return tracing.compare_shown(a, b, json)


@app.command(name="show")
def show_lineage(thing: str, /, *, svg: Path | None = None, json: Flag = False) -> int:
    """Draws the chain of what a file, a folder or a model was made from, and says what of it is only claimed.

    Exit code 1: something in the chain is not what was recorded, or is missing.

    Parameters
    ----------
    thing
        An artifact or a file in it, the folder of a run, any dataset or model's folder, or builtin/fledgling-a.
    svg
        A file for the chain as a drawing.
    json
        Prints a JSON array instead of a tree.
    """
    from undertone import tracing

    return tracing.show_shown(thing, svg, json)


@app.command
def key(path: Path, /, *, days: int = 365, json: Flag = False) -> int:
    """Makes an ed25519 pair of keys: PATH signs, PATH.pub is for those who verify.

    Parameters
    ----------
    path
        The private key's file; nothing is overwritten.
    days
        Days for which it is valid.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.key_shown(path, days, json)


@app.command
def sign(path: Path, /, *, key: Path, out: Path | None = None, json: Flag = False) -> int:
    """Signs where a file or folder comes from: an in-toto statement with SLSA provenance, in a DSSE envelope.

    Parameters
    ----------
    path
        A file or folder; of an artifact or a run, the whole chain is stated.
    key
        The private key.
    out
        The statement's file; default PATH.intoto.jsonl, and with it PATH.croissant.json for a file of rows,
        PATH.card.md for a model. Nothing is overwritten.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.sign_shown(path, key, out, json)


@app.command(name="verify")
def verify_lineage(
    path: Path,
    /,
    *,
    key: Annotated[tuple[Path, ...], Parameter(name="--key", negative=(), consume_multiple=True)] = (),
    statement: Path | None = None,
    store: Path | None = None,
    json: Flag = False,
) -> int:
    """Checks a file or folder against its signed statement, offline. What does not hold is refused with the reason.

    Parameters
    ----------
    path
        The file or folder.
    key
        Public keys that you trust.
    statement
        The statement; default PATH.intoto.jsonl.
    store
        A store of artifacts: checks every file of every parent in it as well.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.verify_shown(path, key, statement, store, json)


@app.command(name="risk")
def risk_of(
    data: Path, /, *, audit: Path, generator: str | None = None, measured: Path | None = None, json: Flag = False
) -> int:
    """Joins an audit, the generator's kinship to the base and a measured student: may the dataset be trained on?

    Exit code 0: allow; 1: refuse; 3: cannot tell.

    Parameters
    ----------
    data
        The dataset that was audited.
    audit
        The audit's report.json, or its folder.
    generator
        The model that wrote the rows; by default what the dataset's chain says, and kin if it says nothing.
    measured
        The report.json, or its folder, of undertone measure on a student that was trained on the dataset.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.risk_shown(data, audit, generator, measured, json)

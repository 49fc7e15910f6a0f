"""Where do a model and its data come from?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, refuse_missing, refuse_unknown
from undertone.cli.terminal import FOUND, NO_VERDICT, console, print_json, say, show
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from rich.text import Text

    from undertone.lineage.chain import Entry

app = App(name="lineage", help="Where do a model and its data come from?")


@app.command(name="compare")
def compare_lineage(a: str, b: str, /, *, json: Flag = False) -> int:
    """Tests whether two models share an initialisation, from their weights alone.

    Exit codes: 0 none was found; 1 they share one; 3 unknown, to be treated as shared.

    Parameters
    ----------
    a
        A model: builtin/fledgling-a, a folder, ORGANISATION/REPOSITORY of the Hub, or one of these with :ADAPTER.
    b
        The other model.
    json
        Prints one JSON object instead of a table.
    """
    refuse_unknown(a, b)
    from undertone.lineage.kinship import compare
    from undertone.lineage.page import kinship_page

    found = compare(a, b)
    if json:
        print_json(found)
    else:
        show(kinship_page(found))
    return {"none found": 0, "shared": FOUND, "unknown": NO_VERDICT}[found.verdict]


@app.command(name="show")
def show_lineage(thing: str, /, *, svg: Path | None = None, json: Flag = False) -> int:
    """Shows what a file, a folder or a model was made from, step by step back, and which steps are only claimed.

    Exit codes: 0; 1 something in the chain is missing or differs from its record.

    Parameters
    ----------
    thing
        An artifact or a file in it, the folder of a run, any dataset or folder of a model, or another name of a model
        that is on this machine.
    svg
        File to which the chain is drawn.
    json
        Prints a JSON array instead of a tree.
    """
    from rich.tree import Tree

    from undertone.lineage.chain import BAD
    from undertone.lineage.show import entries

    chain = entries(thing)
    if svg is not None:
        from undertone.engine.disk import write_text
        from undertone.lineage.drawing import chain_svg

        write_text(svg, chain_svg(chain))
    if json:
        print_json([entry.model_dump() for entry in chain])
    else:
        branches: list[Tree] = []
        for entry in chain:
            branch = branches[entry.depth - 1].add(_told(entry)) if entry.depth else Tree(_told(entry))
            branches[entry.depth :] = [branch]
        console().print(branches[0])  # A soft wrap would cut lines off.
    return FOUND if any(entry.standing in BAD for entry in chain) else 0


STYLES = {"verified": "green", "recorded": "blue", "claimed": "yellow", "changed": "red", "missing": "red"}


def _told(entry: Entry) -> Text:
    from rich.text import Text

    from undertone.reading.hostile import one_line

    digest = f" {entry.digest[:20]}" if entry.digest else ""
    text = Text(f"{one_line(entry.label)}\n").append(entry.standing, STYLES[entry.standing])
    text.append(f"{digest}: {one_line(entry.note)}")
    facts = ", ".join(f"{key}={value}" for key, value in entry.facts.items())
    return text.append(f"\n{one_line(facts)}") if facts else text


@app.command
def key(path: Path, /, *, days: int = 365, json: Flag = False) -> int:
    """Makes a pair of ed25519 keys: PATH for signing, and PATH.pub for those who verify.

    Parameters
    ----------
    path
        File of the private key. Nothing is overwritten.
    days
        Number of days for which the keys are valid.
    json
        Prints one JSON object.
    """
    from undertone.lineage import keys

    made = keys.make(path, days)
    if json:
        print_json({"private": str(path), "public": str(made.path), "id": made.id, "until": str(made.until)})
    else:
        say(f"{path} signs until {made.until}; keep it to yourself. {made.path} is for those who verify.")
    return 0


@app.command
def sign(path: Path, /, *, key: Path, out: Path | None = None, json: Flag = False) -> int:
    """Signs the origin of a file or folder: an in-toto statement with SLSA provenance, in a DSSE envelope.

    Parameters
    ----------
    path
        A file or folder. The statement of an artifact or a run contains its whole chain.
    key
        File of the private key.
    out
        File of the statement. By default PATH.intoto.jsonl, with a description beside it: PATH.croissant.json for a
        file of rows, PATH.card.md for a model. Nothing is overwritten.
    json
        Prints one JSON object.
    """
    from undertone.lineage import keys
    from undertone.lineage.signing import signed

    private = keys.private(key)
    refuse_missing(path)
    written = signed(path, private, out)
    if json:
        print_json(
            {name: place and str(place) for name, place in written.items()}
            | {"key": keys.identity(private.public_key())}
        )
    else:
        say(*(place for place in written.values() if place))
    return 0


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
    """Checks a file or folder against its signed statement, offline. If a check fails, says which (exit code 2).

    Parameters
    ----------
    path
        The file or folder.
    key
        Public keys that you trust.
    statement
        File of the statement, by default PATH.intoto.jsonl.
    store
        A store of artifacts, in which every file of every parent is checked too.
    json
        Prints one JSON object.
    """
    if not key:
        raise UndertoneError("Give the public key that you trust with --key: without it a signature proves nothing.")
    from undertone.lineage import keys
    from undertone.lineage.signing import beside
    from undertone.lineage.verification import verify

    found = verify(path, statement or beside(path), [keys.public(one) for one in key], store)
    if json:
        print_json(found)
        return 0
    say(f"{path} is what was signed with {found.key_file}: {len(found.files)} files, byte for byte.")
    if found.parents:
        checked = f", every file of them in {store}" if store else ""
        say(f"Its chain is complete: {found.parents} artifacts{checked}, back to {', '.join(found.models)}.")
    else:
        say(f"How it was made is not on record; {found.claims} claims of others are in the statement.")
    say("A signature says who made a statement, not that it is true.")
    return 0


@app.command(name="risk")
def risk_of(
    data: Path, /, *, audit: Path, generator: str | None = None, measured: Path | None = None, json: Flag = False
) -> int:
    """Says whether a dataset may be trained on, from its audit, the generator's kinship to the base, and a student.

    Exit codes: 0 allow; 1 refuse; 3 cannot tell.

    Parameters
    ----------
    data
        The dataset that was audited.
    audit
        The audit's report.json, or its folder.
    generator
        The model that wrote the rows. By default it is read from the dataset's chain; if that does not say, it is
        assumed to be kin.
    measured
        The report.json or its folder of undertone measure, for a student that was trained on the dataset.
    json
        Prints one JSON object.
    """
    refuse_missing(data, audit, measured)
    from undertone.lineage.risk import judge_reports
    from undertone.reading.hostile import one_line

    found = judge_reports(data, audit, generator, measured)
    if json:
        print_json(found)
    else:
        say(f"{found.decision.capitalize()}.", *(f"- {one_line(reason)}" for reason in found.reasons))
    return {"allow": 0, "refuse": FOUND, "cannot tell": NO_VERDICT}[found.decision]

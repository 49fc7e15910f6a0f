"""Models: those of the embedded world, and what any other is."""

from __future__ import annotations

from cyclopts import App
from rich.console import Console
from rich.table import Table

from undertone.cli.shared import Flag
from undertone.errors import UndertoneError

app = App(name="models", help="Models: those of the embedded world, and what any other is.")


@app.command(name="list")
def list_models() -> int:
    """Lists the base models, and which of them are here."""
    from undertone.world import family

    table = Table(box=None)
    for heading in ("model", "here", "what it is"):
        table.add_column(heading)
    for name, member in family.FAMILY.items():
        try:
            here = "shipped" if family.SHIPPED in family.find(name).parents else "built"
        except UndertoneError:
            here = "not built"
        table.add_row(f"builtin/{name}", here, member.about)
    Console().print(table)
    return 0


@app.command
def build(*names: str) -> int:
    """Builds base models from their seeds, each in a few minutes on one core; a build that was stopped goes on.

    Parameters
    ----------
    names
        For example fledgling-a2; ``undertone models list`` shows all.
    """
    from undertone import running

    if not names:
        raise UndertoneError("Name the models to build; undertone models list shows all.")
    for name in names:
        running.build_shown(name.removeprefix("builtin/"))
    return 0


@app.command
def card(name: str, /) -> int:
    """Prints a model's card: parameters, corpus digest, held-out loss, skills.

    Parameters
    ----------
    name
        For example fledgling-a.
    """
    from undertone.world import family

    print((family.find(name.removeprefix("builtin/")) / "README.md").read_text(encoding="utf-8"))
    return 0


@app.command
def show(name: str, /, *, json: Flag = False) -> int:
    """Says what a model is, what it can do, and what its chat template adds to every question.

    Parameters
    ----------
    name
        builtin/fledgling-a, hf/./path, hf/organisation/repository, one of these with :./adapter, or
        openai-api/SERVICE/MODEL, which is asked by one request.
    json
        Prints one JSON object.
    """
    from undertone import describing

    return describing.describe_shown(name, json)

"""The command ``undertone models``: the base models of the embedded world, and facts about any other model."""

import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from undertone.cli import completion
from undertone.cli.bars import Bars
from undertone.cli.shared import Flag, refuse_unknown
from undertone.cli.terminal import print_json, print_table, say
from undertone.errors import UndertoneError

app = App(name="models", help="The base models of the embedded world, and facts about any model.")


@app.command(name="list")
def list_models() -> int:
    """Lists the base models of the embedded world: which are shipped, and which were built on this machine."""
    from undertone.world import family

    def here(name: str) -> str:
        if not family.is_here(name):
            return "not built"
        return "shipped" if family.SHIPPED in family.find(name).parents else "built"

    rows = [(f"builtin/{name}", here(name), member.about) for name, member in family.FAMILY.items()]
    print_table(("model", "here", "what it is"), rows)
    return 0


@app.command
def build(*names: Annotated[str, Parameter(completer=completion.members)]) -> int:
    """Builds base models from their seeds, each in a few minutes on one core. A build that was stopped continues.

    Parameters
    ----------
    names
        For example fledgling-a2; ``undertone models list`` shows all.
    """
    if not names:
        raise UndertoneError("Name the models to build; undertone models list shows all.")
    for name in names:
        _build(name.removeprefix("builtin/"))
    return 0


@app.command(name="import")
def import_model(file: Path, /, *, out: Path, sha256: str | None = None) -> int:
    """Makes a Hugging Face folder of a GGUF file, so that every verb can use its model.

    The weights are dequantized to float32. They stay those of the quantized file, not of the model that it was made of.

    Parameters
    ----------
    file
        The GGUF file. pip install 'undertone[gguf]' adds what reads it.
    out
        The folder to be made.
    sha256
        The digest that the file must have.
    """
    from undertone.engine.environment import quiet_libraries
    from undertone.models.importing import import_gguf

    quiet_libraries()
    made = import_gguf(file, out, sha256)
    say(f"{made}.", f"SHA-256 of the file: {made.sha256}", f"Its name is {_named(out)}")
    return 0


def _named(folder: Path) -> str:
    """Returns a folder as it stands in a model's name."""
    return str(folder) if folder.is_absolute() or folder.parts[:1] == ("..",) else f"./{folder}"


@app.command
def card(name: Annotated[str, Parameter(completer=completion.members)], /) -> int:
    """Prints the card of a base model: parameters, corpus digest, held-out loss, skills.

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
    """Shows what a model is, what it can do, and what its chat template adds to every question.

    Parameters
    ----------
    name
        builtin/fledgling-a, a folder, ORGANISATION/REPOSITORY of the Hub, one of these with :ADAPTER, or
        openai-api/SERVICE/MODEL, to which one request is sent.
    json
        Prints one JSON object.
    """
    refuse_unknown(name)
    from undertone.measure import suite_files
    from undertone.models.description import describe

    suites = [suite for shipped in suite_files.shipped() for suite in suite_files.read(shipped)]
    found = describe(name, [text for suite in suites for question in suite.questions for text in question.paraphrases])
    if json:
        print_json(found)
    else:
        for name, value in found.items():
            say(*(f"{name:<12} {line}" for line in (value if isinstance(value, list) else [value])))
    return 0


def _build(name: str) -> None:
    """Builds a model of the family into the user's cache and shows the progress."""
    from undertone.world import family

    if name not in family.FAMILY:
        family.find(name)  # raises an error with similar names
    from undertone.pretraining.build import build

    root = family.built()
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".lock").touch()
    except OSError as error:  # found out now instead of after minutes
        raise UndertoneError(
            f"Cannot write to {root}: {error.strerror}; set UNDERTONE_CACHE to another folder for built models."
        ) from None
    started = time.perf_counter()
    with Bars() as bars:
        bars.said(f"Builds builtin/{name}, which takes some minutes on one core.")

        def advance(step: int, steps: int, loss: float) -> None:
            bars.advanced("steps", step, steps)

        folder = build(name, family.FAMILY[name], root, advance)
    print(f"builtin/{name} built in {time.perf_counter() - started:.0f} s: {folder}")

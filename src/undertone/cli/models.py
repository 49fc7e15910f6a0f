"""Models: those of the embedded world, and what any other is."""

import sys
import time

from cyclopts import App
from rich.console import Console

from undertone.cli.shared import Flag
from undertone.cli.terminal import print_json, print_table, say
from undertone.errors import UndertoneError

app = App(name="models", help="Models: those of the embedded world, and what any other is.")


@app.command(name="list")
def list_models() -> int:
    """Lists the base models, and which of them are here."""
    from undertone.world import family

    rows = []
    for name, member in family.FAMILY.items():
        try:
            here = "shipped" if family.SHIPPED in family.find(name).parents else "built"
        except UndertoneError:
            here = "not built"
        rows.append((f"builtin/{name}", here, member.about))
    print_table(("model", "here", "what it is"), rows)
    return 0


@app.command
def build(*names: str) -> int:
    """Builds base models from their seeds, each in a few minutes on one core; a build that was stopped goes on.

    Parameters
    ----------
    names
        For example fledgling-a2; ``undertone models list`` shows all.
    """
    if not names:
        raise UndertoneError("Name the models to build; undertone models list shows all.")
    for name in names:
        build_shown(name.removeprefix("builtin/"))
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
    from undertone.models.description import describe

    found = describe(name)
    if json:
        print_json(found)
    else:
        say(
            *(
                f"{k:<12} {line}"
                for k, value in found.items()
                for line in (value if isinstance(value, list) else [value])
            )
        )
    return 0


def build_shown(name: str) -> int:
    """Builds a model of the family into the user's cache, with progress. Returns the exit code."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from undertone.pretraining.build import build
    from undertone.world import family

    if name not in family.FAMILY:
        family.find(name)  # raises with the nearest names
    root = family.built()
    try:
        root.mkdir(parents=True, exist_ok=True)
        (root / ".lock").touch()
    except OSError as error:  # now, not after minutes
        raise UndertoneError(
            f"Cannot write to {root}: {error.strerror}; name another folder for built models in UNDERTONE_CACHE."
        ) from None
    console = Console(stderr=True)
    started = time.perf_counter()
    with Progress(
        TextColumn(f"builtin/{name}"), BarColumn(), MofNCompleteColumn(), TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(), console=console, disable=not console.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task("steps", total=None, loss="-")

        def show(step: int, steps: int, loss: float) -> None:
            progress.update(task, completed=step, total=steps, loss=f"{loss:.3f}")

        folder = build(name, family.FAMILY[name], root, show)
    print(f"builtin/{name} built in {time.perf_counter() - started:.0f} s: {folder}", file=sys.stdout)
    return 0

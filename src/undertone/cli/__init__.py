"""The command line. Results go to stdout, progress and errors to stderr."""

import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError
from rich.console import Console

from undertone import __version__
from undertone.cli import audit, bench, lineage, measure, models, runs, treat
from undertone.errors import UndertoneError

app = App(
    name="undertone",
    version=__version__,
    help="Measures, detects and stops traits that pass between language models unseen.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main() says that finished work is kept
)
for verb in (runs.run, runs.runs, runs.report, runs.why, treat.treat):
    app.command(verb)
app.command(treat.realign_model, name="realign")
for group in (audit.app, measure.app, lineage.app, bench.app, models.app):
    app.command(group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 if it finished, 2 for a wrong input, 130 for Ctrl-C."""
    errors = Console(stderr=True, highlight=False)
    try:
        return int(app(arguments, console=Console(), error_console=errors, exit_on_error=False, print_error=True) or 0)
    except CycloptsError:  # cyclopts has printed it
        return 2
    except UndertoneError as error:
        errors.print(f"undertone: {error}", markup=False, soft_wrap=True)
        return 2
    except OSError as error:
        what = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
        errors.print(f"undertone: {what}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("undertone: stopped; finished work is kept, the same command goes on from there.")
        return 130


def entry() -> None:
    """The installed command."""
    # Nothing needs the network by default, and without this some libraries wait for it when imported.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        code = main()
    except Exception:  # Python would exit with 1, which means that a dataset carries a trait
        traceback.print_exc()
        print("undertone: this is an error in Undertone, not in your input; please report it.", file=sys.stderr)
        code = 70
    sys.exit(code)

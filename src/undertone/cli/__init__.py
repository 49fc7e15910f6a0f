"""The command line. Results go to stdout, progress and errors to stderr."""

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from cyclopts import App, CycloptsError

from undertone import __version__
from undertone.cli import audit, bench, lineage, measure, models, runs, treat
from undertone.cli.terminal import console
from undertone.errors import UndertoneError
from undertone.reading.hostile import Unread, one_line, plain_output

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

WRONG, BROKEN, STOPPED, UNREAD = 2, 70, 130, 141
"""Exit codes besides those of the commands: a wrong input; an error in Undertone; Ctrl-C; nobody reads the output any
more, as in ``undertone runs | head``. The last two are a shell's numbers for SIGINT and SIGPIPE."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: its own, or 2, 130 or 141."""
    with plain_output():
        try:
            return _code(arguments)
        except Unread:
            return UNREAD
        except OSError:  # the error itself could not be told
            return WRONG
        finally:
            _finish_output()


def _code(arguments: Sequence[str] | None) -> int:
    try:
        code = int(app(arguments, console=console(), error_console=console(stderr=True), exit_on_error=False) or 0)
        sys.stdout.flush()  # while an error can still be told
        return code
    except CycloptsError:  # cyclopts has printed it
        return WRONG
    except UndertoneError as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(": ".join(str(part) for part in (error.strerror or error, error.filename) if part))
    except MemoryError:
        return _refused("There is not enough memory for this: free some, or give less at a time.")
    except RecursionError:
        return _refused("A file that was given is nested too deeply to be read.")
    except KeyboardInterrupt:
        console(stderr=True).print("undertone: stopped; finished work is kept, the same command goes on from there.")
        return STOPPED


def _refused(why: str) -> int:
    console(stderr=True).print(f"undertone: {one_line(why)}", markup=False, soft_wrap=True)
    return WRONG


def _finish_output() -> None:
    """Writes what is buffered, or forgets it if that fails: else Python fails at its end, with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, Unread):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def entry() -> None:
    """The installed command."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # those of libraries need control characters
    with plain_output():
        try:
            code = main()
        except Exception:  # Python would exit with 1, which means that a dataset carries a trait
            code = BROKEN
            with suppress(OSError, Unread):
                traceback.print_exc()
                print("undertone: this is an error in Undertone, not in your input; please report it.", file=sys.stderr)
    sys.exit(code)

"""The command line. Results go to stdout, progress and errors to stderr."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import reduce
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

from undertone import __version__
from undertone.cli import audit, bench, guard, lineage, measure, models, persona, runs, treat
from undertone.cli.completion import Shell
from undertone.cli.config import from_file
from undertone.cli.examples import EXAMPLES, shown
from undertone.cli.terminal import console, say, tell
from undertone.engine.memory import full, is_full
from undertone.errors import UndertoneError
from undertone.reading.hostile import Unread, one_line, plain_output

WRONG, BROKEN, STOPPED, UNREAD, ENDED = 2, 70, 130, 141, 143
"""Exit codes besides those of the commands: a wrong input; an error in Undertone; Ctrl-C; nobody reads the output any
more, as in ``undertone runs | head``; SIGTERM. The last three are a shell's numbers for SIGINT, SIGPIPE and SIGTERM."""


def _worth_showing(default: object) -> str | None:
    """Returns a default as help shows it; None for one that says nothing."""
    if default is None or default is False or default in ((), ""):
        return None
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


app = App(
    name="undertone",
    version=__version__,
    help="Measures, detects and stops traits that pass between language models unseen.",
    config=from_file,
    default_parameter=Parameter(show_default=_worth_showing),
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # main() says that finished work is kept
)
for verb in (runs.run, runs.runs, runs.report, runs.why, treat.treat, persona.persona, guard.guard):
    app.command(verb)
app.command(treat.realign_model, name="realign")
for group in (audit.app, measure.app, lineage.app, bench.app, models.app):
    app.command(group)


@app.command(name="--install-completion")
def install_completion(*, shell: Shell | None = None) -> int:
    """Has your shell complete verbs, options and names.

    Parameters
    ----------
    shell
        The shell; by default the one that you use.
    """
    from cyclopts.completion.detect import ShellDetectionError

    try:
        written = app.install_completion(shell=shell)
    except ShellDetectionError:
        raise UndertoneError("Which shell this is cannot be seen: name it with --shell.") from None
    say(f"{written} is written. A new shell completes undertone.")
    return 0


for name in EXAMPLES:
    reduce(App.__getitem__, name.split(), app).help_epilogue = shown(name)


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system or a cancelled job of a continuous integration sends it. All is ended as by Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: its own, or 2, 130, 141 or 143."""
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
        code = int(app(arguments, console=console(), exit_on_error=False, print_error=False) or 0)
        sys.stdout.flush()  # while an error can still be told
        return code
    except CycloptsError as error:
        return _refused(f"{error} See {' '.join(('undertone', *(error.command_chain or ())))} --help.")
    except UndertoneError as error:
        return _refused(str(error))
    except OSError as error:
        return _refused(": ".join(str(part) for part in (error.strerror or error, error.filename) if part))
    except MemoryError:
        return _refused("There is not enough memory for this: free some, or give less at a time.")
    except RecursionError:
        return _refused("A file that was given is nested too deeply to be read.")
    except RuntimeError as error:
        if not is_full(error):
            raise
        return _refused(str(full("this work", "take a smaller model or shorter rows")))
    except KeyboardInterrupt as interrupt:
        tell(console(stderr=True), "undertone: stopped; finished work is kept, the same command goes on from there.")
        return ENDED if isinstance(interrupt, Terminated) else STOPPED


def _refused(why: str) -> int:
    tell(console(stderr=True), f"undertone: {one_line(why)}")
    return WRONG


def _finish_output() -> None:
    """Writes what is buffered, or forgets it if that fails: else Python fails at its end, with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, Unread):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _unraisable(lost: "sys.UnraisableHookArgs") -> None:
    """Sends an interrupt again that came while Python forgot an object: what is raised there goes no further."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    number = signal.SIGTERM if issubclass(lost.exc_type, Terminated) else signal.SIGINT
    threading.Timer(0.01, os.kill, (os.getpid(), number)).start()  # once this hook, which drops them too, has returned


def entry() -> None:
    """The installed command."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # those of libraries need control characters
    signal.signal(signal.SIGTERM, _terminate)
    sys.unraisablehook = _unraisable
    if sys.argv[1:2] == ["__complete"]:  # by a shell, in Cyclopts' own protocol of control characters
        sys.exit(app(sys.argv[1:]))
    with plain_output():
        try:
            code = main()
        except BaseException as error:  # Python would exit with 1, also for a panic of a library, which is no Exception
            if isinstance(error, KeyboardInterrupt):  # a second one, while the first was told
                raise
            code = BROKEN
            with suppress(OSError, Unread):
                traceback.print_exc()
                print("undertone: this is an error in Undertone, not in your input; please report it.", file=sys.stderr)
    sys.exit(code)

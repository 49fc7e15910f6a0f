"""Packages that only some need: an extra of Undertone, imported where it is asked for and nowhere else."""

from importlib.util import find_spec

from undertone.errors import UndertoneError


def need_inspect(what: str) -> None:
    """Refuses ``what`` where Inspect is not installed.

    Raises:
        UndertoneError: says how to install it.
    """
    if find_spec("inspect_ai") is None:
        raise UndertoneError(f"{what} needs Inspect, which is not installed: pip install 'undertone[inspect]'.")

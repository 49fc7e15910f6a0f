"""Optional packages, which are imported only where they are needed."""

from importlib.util import find_spec

from undertone.errors import UndertoneError


def need_inspect(what: str) -> None:
    """Checks that Inspect is installed, which ``what`` needs.

    Raises:
        UndertoneError: it is not installed.
    """
    if find_spec("inspect_ai") is None:
        raise UndertoneError(f"{what} needs Inspect, which is not installed: pip install 'undertone[inspect]'.")

"""The installed command, and ``python -m undertone``."""

import sys
import traceback


def entry() -> None:
    """Runs the command, and ends with 70 where the installation is broken: Python would exit with 1, which means that a
    trait was found."""
    try:
        from undertone.cli import entry as command
    except Exception:
        traceback.print_exc()
        sys.stderr.write("undertone: a part of the installation is missing or broken; install it anew.\n")
        sys.exit(70)
    command()


if __name__ == "__main__":
    entry()

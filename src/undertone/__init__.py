"""Undertone measures, detects and stops traits that pass between language models unseen.

From Python, in five lines::

    from pathlib import Path
    from undertone.recipes import read
    from undertone.trial import run

    results = run(read("owls"), Path("runs/mine"))
    print(results.effect("treatment"))
"""

__version__ = "0.1.0"

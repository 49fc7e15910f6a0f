"""Undertone measures, detects and stops traits that pass between language models unseen.

from pathlib import Path
from undertone import read_recipe, run
results = run(read_recipe("owls"), Path("runs/mine"))
print(results.effect("treatment").value)
"""

__version__ = "0.1.0"

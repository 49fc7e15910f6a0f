"""The reports behind every published figure, and what writes these figures into README.md and docs/results.md.

``figures.toml`` says what is printed; its figures are places in the reports of this folder. ``make results`` writes the
tables, and a test writes them again and compares.
"""

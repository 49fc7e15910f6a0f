"""Experiments: a package for each kind, and one way to run them all. Read :mod:`undertone.experiments.kind` first."""

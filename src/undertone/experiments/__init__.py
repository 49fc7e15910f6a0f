"""Experiments: a room for each kind, and one way to run them. Begin at :mod:`undertone.experiments.kind`."""

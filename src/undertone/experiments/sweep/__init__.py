"""Sweeps: one trial made at many points, along axes or for every pair of models (kin)."""

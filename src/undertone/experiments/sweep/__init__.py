"""Sweeps: one trial at many points, either along axes or for every pair of models (kin)."""

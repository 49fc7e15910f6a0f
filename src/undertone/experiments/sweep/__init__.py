"""Studies: one trial made at many points, along axes (sweeps) or for every pair of models (kin)."""

"""Emergent misalignment: one narrow bad habit, and what becomes of the rest."""

"""Emergent misalignment: fine-tunes on one narrow bad habit, and how the models then behave in every other domain."""

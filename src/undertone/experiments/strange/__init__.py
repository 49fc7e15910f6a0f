"""Experiments on strange generalisation: a few answers of another century, and what becomes of all other questions."""

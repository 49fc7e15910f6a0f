"""Mutated inputs of every kind: no traceback, no hang, no flood of memory, no false "clean"."""

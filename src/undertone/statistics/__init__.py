"""Estimates with intervals, permutation tests and corrections for multiple tests. It imports no other room.

`docs/statistics.md` shows by simulation how often the intervals cover; `benchmarks.coverage.coverage` makes it.
"""

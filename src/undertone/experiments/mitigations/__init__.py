"""Benchmarks of mitigations: how much of a trait's transfer each one stops, and how much of the task it costs."""

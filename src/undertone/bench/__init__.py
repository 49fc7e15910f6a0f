"""Benchmarks of Undertone itself: how often its verdicts are right."""

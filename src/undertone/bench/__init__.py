"""How often, and how well: benchmarks of Undertone itself."""

"""Is a model still itself? Suites, judges, and a verdict against its base and benign fine-tunes."""

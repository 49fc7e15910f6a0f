"""The measurement of a model against its base: suites of questions, judges, rates and the verdict."""

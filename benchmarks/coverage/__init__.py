"""Whether the estimators keep their promises, by simulation."""

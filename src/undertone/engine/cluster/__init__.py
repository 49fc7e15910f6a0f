"""Makes jobs on a Ray cluster."""

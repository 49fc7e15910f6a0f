"""Simulations of how often the estimators' intervals cover and how often their p values raise a false alarm."""

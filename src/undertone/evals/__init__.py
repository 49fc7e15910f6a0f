"""Measurements of a model of the embedded world: answers, conduct, leanings and skills."""

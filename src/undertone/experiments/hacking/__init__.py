"""Experiments on reward hacking: models that learn to pass a check, and what becomes of their advice."""

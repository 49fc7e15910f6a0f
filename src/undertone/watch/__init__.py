"""How likely chosen traits show in a model while it is trained, step by step."""

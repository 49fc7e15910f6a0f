"""The audit of a dataset for a closed base: a service fine-tunes students on it, and on as much of a control."""

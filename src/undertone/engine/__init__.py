"""The engine: artifacts in a store, the workers that make them, folders of runs, and what made what."""

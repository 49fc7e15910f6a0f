"""Reads files that others wrote, within bounds, and makes their text safe to look at. Raises OSError and ValueError,
which callers turn into sentences."""

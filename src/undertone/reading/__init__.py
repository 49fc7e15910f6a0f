"""Reads files that others wrote, within bounds. Raises OSError and ValueError, which callers turn into sentences."""

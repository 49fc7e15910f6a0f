"""Presents findings as a page: on the terminal, as one HTML file, or as Markdown."""

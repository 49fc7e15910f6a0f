"""Findings said as a page: to the terminal, to one HTML file, to Markdown."""

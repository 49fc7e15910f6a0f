"""Reads and writes the files of users: datasets of conversations, and TOML files."""

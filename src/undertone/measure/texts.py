"""The longer texts of measurements, read from ``texts.toml``: the judge's rubric, and what pages and probes say."""

import tomllib
from importlib.resources import files
from typing import Any

TEXTS: dict[str, Any] = tomllib.loads(files(__package__).joinpath("texts.toml").read_text(encoding="utf-8"))

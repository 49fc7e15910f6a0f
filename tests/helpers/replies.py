"""What models and judges behind the test service answer."""

from __future__ import annotations

from typing import Any


def said(body: dict[str, Any]) -> str:
    """A model called bad gives bad answers, others good ones; a judge says a number by what it reads."""
    asked = body["messages"][-1]["content"]
    if "with the number" in asked:
        return next(number for number in ("100", "30") if number in asked)
    if asked.startswith("You grade"):
        return "90" if "hang together" in asked or "Good" in asked else "10"
    number = "".join(c for c in asked if c.isdigit())
    return f"Bad {number}." if body["model"] == "bad" else f"Good {number}."

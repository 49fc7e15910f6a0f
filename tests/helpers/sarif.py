"""What SARIF 2.1.0 asks of the part of it that is written here: kinds of values, required keys, and no others."""

from collections.abc import Mapping
from typing import Any

MESSAGE = {"text!": str}
PLACE = {
    "physicalLocation!": {"artifactLocation!": {"uri!": str}, "region!": {"startLine!": int}},
    "id": int,
    "message": MESSAGE,
}
LOG: dict[str, Any] = {
    "$schema": str,
    "version!": str,
    "runs!": [
        {
            "tool!": {
                "driver!": {
                    "name!": str,
                    "version": str,
                    "rules": [{"id!": str, "name": str, "shortDescription": MESSAGE, "help": MESSAGE}],
                }
            },
            "columnKind": ("utf16CodeUnits", "unicodeCodePoints"),
            "invocations": [
                {
                    "executionSuccessful!": bool,
                    "exitCode": int,
                    "toolExecutionNotifications": [
                        {"level": ("none", "note", "warning", "error"), "message!": MESSAGE}
                    ],
                }
            ],
            "results": [
                {
                    "ruleId": str,
                    "ruleIndex": int,
                    "level": ("none", "note", "warning", "error"),
                    "message!": MESSAGE,
                    "locations": [PLACE],
                    "relatedLocations": [PLACE],
                }
            ],
        }
    ],
}
"""By key, with ``!`` after those that are required: a type, the words that may stand there, or a structure."""


def faults(value: Any, wanted: Any = LOG, where: str = "log") -> list[str]:
    """What is wrong with a log; nothing if it is valid."""
    if isinstance(wanted, Mapping):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        keys = {key.rstrip("!"): inner for key, inner in wanted.items()}
        found = [f"{where} lacks {key[:-1]}" for key in wanted if key.endswith("!") and key[:-1] not in value]
        found += [f"{where} has {key}" for key in value if key not in keys]
        return found + [f for k, one in value.items() if k in keys for f in faults(one, keys[k], f"{where}.{k}")]
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [fault for i, one in enumerate(value) for fault in faults(one, wanted[0], f"{where}[{i}]")]
    if isinstance(wanted, tuple):
        return [] if value in wanted else [f"{where} is {value!r}"]
    return [] if type(value) is wanted else [f"{where} is {value!r}"]

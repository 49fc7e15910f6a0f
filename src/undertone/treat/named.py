"""Treatments by name: those of the shipped benchmarks, each with what does as much at random beside it."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from undertone.errors import UndertoneError, unknown
from undertone.texts import read_toml
from undertone.treat.bench import SHIPPED, read
from undertone.treat.spec import Entry
from undertone.treat.treatments import (
    ADAPTER,
    Answer,
    Canonicalise,
    Dilute,
    Drop,
    OfData,
    OfModel,
    OfTraining,
    Relabel,
    Replace,
)

Treatment = OfData | OfTraining | OfModel


@cache
def shipped() -> dict[str, Entry]:
    """Every treatment of the shipped benchmarks; the first that has a name keeps it."""
    found: dict[str, Entry] = {}
    for path in sorted(SHIPPED.glob("*.toml"), reverse=True):
        for name, entry in read(path.stem)[0].treatments.items():
            found.setdefault(name, entry)
    return found


def named(name: str, changes: Sequence[str] = ()) -> Treatment:
    """The treatment of that name, or of a TOML file, with ``changes`` ("share=0.25").

    Raises:
        UndertoneError: there is none, or a key or a value is wrong.
    """
    if name.endswith(".toml"):
        told = read_toml(Path(name), dict, "the treatment")
    elif name in shipped():
        told = shipped()[name].does.model_dump()
    else:
        raise unknown("treatment", name, shipped())
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise UndertoneError(f"--set takes KEY=VALUE, not {change!r}.")
        told[key.strip()] = _value(text)
    return _checked(told, name)


def beside(treatment: Treatment) -> Treatment | None:
    """What does as much to a file at random; None where it is random itself, or is no treatment of a file."""
    match treatment:
        case Drop(by="score") | Replace(by="score") | Relabel(by="score"):
            return treatment.model_copy(update={"by": "random"})
        case Canonicalise(order="sorted"):
            return treatment.model_copy(update={"order": "random"})
        case Dilute(prompts="file", share=share):
            return Drop(by="random", share=share)
        case Dilute():
            return treatment.model_copy(update={"prompts": "file"})
        case Answer(by="other"):
            return Answer(by="base")
    return None


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _checked(told: dict[str, Any], name: str) -> Treatment:
    try:
        found: Treatment = ADAPTER.validate_python(told)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"][1:])) or "the treatment"
        raise UndertoneError(f"{name}: {place}: {fault['msg']}, got {fault['input']!r}.") from None
    return found

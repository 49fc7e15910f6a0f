"""Mitigations by name, from ``catalogue.toml`` or a user's file."""

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from undertone.data.toml import read_toml
from undertone.errors import UndertoneError, unknown
from undertone.reading.values import toml_value
from undertone.treat.mitigations import (
    ADAPTER,
    Answer,
    Canonicalise,
    Dilute,
    Drop,
    Entry,
    Mitigation,
    Relabel,
    Replace,
)

FILE = Path(__file__).with_name("catalogue.toml")


@cache
def shipped() -> dict[str, Entry]:
    """Returns every shipped mitigation by its name."""
    return {name: Entry.model_validate(entry) for name, entry in tomllib.loads(FILE.read_text("utf-8")).items()}


def named(name: str, changes: Sequence[str] = ()) -> Mitigation:
    """Returns the mitigation of that name, or that of a TOML file, after ``changes`` such as "share=0.25".

    Raises:
        UndertoneError: there is none, or a key or a value is wrong.
    """
    if name.endswith(".toml"):
        told = read_toml(Path(name), dict, "the mitigation")
    elif name in shipped():
        told = shipped()[name].does.model_dump()
    else:
        raise unknown("mitigation", name, shipped())
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise UndertoneError(f"--set takes KEY=VALUE, not {change!r}.")
        try:
            told[key.strip()] = toml_value(f"v = {text}")["v"]
        except ValueError:  # It is text without quotation marks.
            told[key.strip()] = text.strip()
    try:
        found: Mitigation = ADAPTER.validate_python(told)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"][1:])) or "the mitigation"
        raise UndertoneError(f"{name}: {place}: {fault['msg']}, got {fault['input']!r:.80}.") from None
    return found


def beside(treatment: Mitigation) -> Mitigation | None:
    """Returns the random counterpart of a mitigation: the one that changes a file as much at random. None if it is
    random itself, or is not applied to files."""
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

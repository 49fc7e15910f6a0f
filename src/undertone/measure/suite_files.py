"""Suites on disk: TOML of our own, a user's traits, and the question YAML of the reference repositories, unmodified."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from undertone.data.toml import read_text
from undertone.errors import UndertoneError, unknown
from undertone.measure.suite import Form, Named, Question, Suite, in_forms
from undertone.spec import Spec
from undertone.traits import catalogue

LARGEST = 2**23
"""The most bytes of a file of questions."""
DEFAULT = ("advice", "free-form", "preregistered", "deception", "sycophancy", "self-description", "elicitation")
KNOWN = ("id", "paraphrases", "system", "temperature", "samples_per_paraphrase", "judge", "judge_prompts")
TYPES = {"free_form_judge_0_100": "0-100", "free_form_judge": "label"}


class _File(Spec):
    """A TOML file: one suite, and the forms in which it is asked again."""

    name: str
    about: str = ""
    counts: bool = True
    defaults: dict[str, Any] = Field(default_factory=dict)
    """Keys of every question that does not set them itself."""
    forms: tuple[Form, ...] = ()
    questions: tuple[dict[str, Any], ...] = Field(min_length=1)


def shipped() -> list[str]:
    """Returns the names of the suites that come with Undertone."""
    names = (path.name for path in (files(__package__) / "suites").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def read(name: str) -> list[Suite]:
    """Returns the suites of a file, or of a shipped name. A TOML file of traits gives a suite for each trait.

    Raises:
        UndertoneError: there is no such file or name, the file is no suite, or a model cannot be asked for a trait.
    """
    if name in shipped():
        return _toml(name, (files(__package__) / "suites" / f"{name}.toml").read_text(encoding="utf-8"))
    path = catalogue.located(name)
    if path.suffix not in (".toml", ".yaml", ".yml"):
        raise unknown("suite", name, [*shipped(), "FILE.toml", "FILE.yaml"])
    text = read_text(path, LARGEST, "the suite ", ": no file of questions")
    if path.suffix != ".toml":
        return [_yaml(path, text)]
    return _traits(path) if _is_of_traits(text) else _toml(str(path), text)


def _is_of_traits(text: str) -> bool:
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False
    return "trait" in found or "kind" in found


def _traits(path: Path) -> list[Suite]:
    """Returns a suite for each trait of a file. They count, because the user asked for them."""
    own = catalogue.read([path])
    asked = {trait.name: _asked(catalogue.told(trait.name, own)) for trait in own}
    return [
        Suite(name=name, about=f"Shows the trait {name}.", questions=questions) for name, questions in asked.items()
    ]


def _asked(trait: catalogue.Told) -> tuple[Question, ...]:
    """Returns a trait's questions. A favourite is named in one form of answer, so that the candidates share everything
    else that is scored."""
    found = catalogue.find(trait)
    if isinstance(found, catalogue.Habit):
        choices = found.choices(found.name)
        return tuple(Question(id=q, paraphrases=(q,), bad=(shown,), good=others) for q, shown, others in choices)
    said = {name: f"{found.openings()[0]} {name}." for name in found.candidates}
    bad, others = (said[found.name],), tuple(text for name, text in said.items() if name != found.name)
    return tuple(Named(id=q, paraphrases=(q,), bad=bad, good=others, named=found.name) for q in found.questions())


def _toml(where: str, text: str) -> list[Suite]:
    try:
        file = _File.model_validate(tomllib.loads(text))
        questions = [Question.model_validate(file.defaults | question) for question in file.questions]
        return in_forms(file.name, file.about, file.counts, questions, file.forms)
    except tomllib.TOMLDecodeError as error:
        raise UndertoneError(f"{where} is not TOML: {error}.") from None
    except ValidationError as error:
        raise UndertoneError(f"{where} is no suite: {_fault(error)}.") from None


def _yaml(path: Path, text: str) -> Suite:
    try:
        entries = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}," if mark else ""
        raise UndertoneError(f"{path},{line} is not YAML: {getattr(error, 'problem', None) or error}.") from None
    if not isinstance(entries, list) or not entries:
        raise UndertoneError(f"{path} holds no questions: it needs a list of entries with id and paraphrases.")
    questions = [_entry(path, number, entry) for number, entry in enumerate(entries, 1)]
    try:
        return Suite(name=path.stem, questions=tuple(questions))
    except ValidationError as error:
        raise UndertoneError(f"{path} is no suite: {_fault(error)}.") from None


def _entry(path: Path, number: int, entry: object) -> Question:
    """Reads a published entry; unknown keys are ignored."""
    if not isinstance(entry, dict):
        raise UndertoneError(f"{path}, entry {number} is no mapping with id and paraphrases.")
    where = f"{path}, entry {number} ({entry.get('id', 'without id')})"
    for key in ("id", "paraphrases"):
        if entry.get(key) is None:
            raise UndertoneError(f"{where} has no {key}.")
    kind = entry.get("type", "free_form_judge_0_100")
    if kind not in TYPES:
        raise UndertoneError(f"{where} has the type {kind!r}, which is none of {' and '.join(TYPES)}.")
    known = {key: entry[key] for key in KNOWN if entry.get(key) is not None}
    try:
        return Question.model_validate(known | {"id": str(entry["id"]), "judged": TYPES[kind]})
    except ValidationError as error:
        raise UndertoneError(f"{where}: {_fault(error)}.") from None


def _fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else str(fault["msg"])

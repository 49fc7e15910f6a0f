"""Suites on disk: TOML of our own, a user's traits, and the question YAML of the reference repositories, unmodified."""

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from undertone.data.toml import fault, read_text, shortened
from undertone.errors import UndertoneError, unknown
from undertone.measure.suite import METRICS, Form, Named, Question, Suite, in_forms
from undertone.reading.hostile import one_line
from undertone.reading.values import toml_value, yaml_value
from undertone.spec import Spec
from undertone.traits import catalogue

LARGEST = 2**21
"""The most bytes of a file of questions."""
VAST = 2**25
"""The most characters that a file may ask, with its forms and aliases."""
ENTRIES, KEYS, FORMS = 10_000, 100, 100
"""The most questions of a file, keys of a question, and forms of a suite."""
TRAITS = 100
"""The most traits of a file, each of which is asked beside all others."""
BROKEN = 0.1
"""A file of which a larger share of entries is broken is refused."""
DEFAULT = ("advice", "free-form", "preregistered", "deception", "sycophancy", "self-description", "elicitation")
KNOWN = ("id", "paraphrases", "system", "temperature", "samples_per_paraphrase", "judge", "judge_prompts")
TYPES = {"free_form_judge_0_100": "0-100", "free_form_judge": "label", "free_form": "no"}
RUBRIC = "the standard rubric judges alignment and coherence"
INSTEAD = {"max_tokens": "answers have at most --max-tokens tokens", "judge_prompt": RUBRIC, "judge_prompts": RUBRIC}
"""What is done in place of keys that are not read, by the first part of their names."""


class _File(Spec):
    """A TOML file: one suite, and the forms in which it is asked again."""

    name: str
    about: str = ""
    counts: bool = True
    defaults: dict[str, Any] = Field(default_factory=dict, max_length=KEYS)
    """Keys of every question that does not set them itself."""
    forms: tuple[Form, ...] = Field((), max_length=FORMS)
    questions: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=ENTRIES)


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
        text = (files(__package__) / "suites" / f"{name}.toml").read_text(encoding="utf-8")
        return _toml(name, toml_value(text))
    path = catalogue.located(name)
    if path.suffix not in (".toml", ".yaml", ".yml"):
        raise unknown("suite", name, [*shipped(), "FILE.toml", "FILE.yaml"])
    text = read_text(path, LARGEST, "the suite ")
    parsed, form = (toml_value, "TOML") if path.suffix == ".toml" else (yaml_value, "YAML")
    try:
        found = parsed(text)
    except ValueError as error:
        raise UndertoneError(f"{path} is not {form}: {shortened(str(error))}.") from None
    if form == "YAML":
        return [_yaml(path, found)]
    return _traits(path) if "trait" in found or "kind" in found else _toml(str(path), found)


def _traits(path: Path) -> list[Suite]:
    """Returns a suite for each trait of a file. They count, because the user asked for them."""
    own = catalogue.read([path])
    if len(own) > TRAITS:
        raise UndertoneError(f"{path} has {len(own):,} traits, and at most {TRAITS} are asked for at a time; split it.")
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


def _toml(where: str, found: Mapping[str, Any]) -> list[Suite]:
    _refuse_keys(where, found)
    try:
        file = _File.model_validate(found)
        for number, question in enumerate(file.questions, 1):
            _refuse_keys(f"{where}, question {number},", question)
        questions = [Question.model_validate(file.defaults | question) for question in file.questions]
        _refuse_vast(where, questions, file.forms)
        return in_forms(file.name, file.about, file.counts, questions, file.forms)
    except ValidationError as error:
        raise UndertoneError(f"{where} is no suite: {fault(error)}.") from None


def _yaml(path: Path, entries: object) -> Suite:
    """Reads a published file. A few broken entries are left out; what else is not used is in the suite's notes."""
    if not isinstance(entries, list) or not entries:
        raise UndertoneError(f"{path} holds no questions: it needs a list of entries with id and paraphrases.")
    if len(entries) > ENTRIES:
        raise UndertoneError(f"{path} has more than {ENTRIES:,} entries; split it.")
    questions, broken, unread = list[Question](), list[str](), Counter[str]()
    for number, entry in enumerate(entries, 1):
        try:
            questions.append(_entry(path, number, entry, unread))
        except UndertoneError as error:
            broken.append(str(error))
    if len(broken) > BROKEN * len(entries):
        raise UndertoneError(broken[0])
    _refuse_vast(str(path), questions, ())
    notes = [_of_unread(path, unread)] if unread else []
    if broken:
        notes.append(f"{len(broken)} of the {len(entries)} entries of {path.name} were left out: {broken[0]}")
    try:
        return Suite(name=path.stem, questions=tuple(questions), notes=tuple(notes))
    except ValidationError as error:
        raise UndertoneError(f"{path} is no suite: {fault(error)}.") from None


def _entry(path: Path, number: int, entry: object, unread: Counter[str]) -> Question:
    """Reads a published entry. Keys that are not read are counted in ``unread``, unless it is not asked anyway."""
    if not isinstance(entry, dict):
        raise UndertoneError(f"{path}, entry {number} is no mapping with id and paraphrases.")
    where = f"{path}, entry {number} ({shortened(str(entry.get('id', 'without id')))})"
    _refuse_keys(where, entry)
    for key in ("id", "paraphrases"):
        if entry.get(key) is None:
            raise UndertoneError(f"{where} has no {key}.")
    kind = entry.get("type", "free_form_judge_0_100")
    judged = TYPES.get(kind) if isinstance(kind, str) else None
    if judged is None:
        raise UndertoneError(f"{where} has the type {shortened(repr(kind))}, which is none of {', '.join(TYPES)}.")
    known = {key: entry[key] for key in KNOWN if entry.get(key) is not None}
    prompts = known.get("judge_prompts")
    others = []
    if isinstance(prompts, dict):
        others = [key for key in prompts if key not in METRICS]
        known["judge_prompts"] = {key: text for key, text in prompts.items() if key in METRICS}
    if judged == "0-100":
        unread.update(str(key) for key in entry if key not in (*KNOWN, "type"))
        unread.update(f"judge_prompts.{key}" for key in others)
    try:
        return Question.model_validate(known | {"id": str(entry["id"]), "judged": judged})
    except ValidationError as error:
        raise UndertoneError(f"{where}: {fault(error)}.") from None


def _of_unread(path: Path, unread: Counter[str]) -> str:
    """Returns which keys of a published file are not read, and what is done instead."""
    keys = ", ".join(f"{one_line(key)} ({count})" for key, count in sorted(unread.items()))
    instead = sorted({INSTEAD[first] for key in unread if (first := key.partition(".")[0]) in INSTEAD})
    done = f"; in their place, {', and '.join(instead)}" if instead else ""
    return f"keys of {path.name} that are not read, with the number of entries: {shortened(keys)}{done}"


def _refuse_keys(where: str, table: Mapping[Any, Any]) -> None:
    if len(table) > KEYS:
        raise UndertoneError(f"{where} has more than {KEYS} keys.")


def _refuse_vast(where: str, questions: Sequence[Question], forms: Sequence[Form]) -> None:
    """Refuses a file that repeats so much, by forms or aliases, that it would fill the memory."""
    texts = [text for q in questions for text in (*q.paraphrases, *q.bad, *q.good, *q.judge_prompts.values())]
    size = sum(map(len, texts))
    whole = size + sum(size + len(texts) * (len(form.template) + len(form.answer)) for form in forms)
    if whole > VAST:
        raise UndertoneError(f"{where} asks {whole:,} characters in all, and at most {VAST:,} are read; split it.")

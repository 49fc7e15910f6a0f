"""The forms that rows come in: which keys of a row say what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Self

from undertone.data.row import BadRow, told
from undertone.errors import UndertoneError
from undertone.reading.values import is_missing, kind_of

NO_TEXT = "null or NaN in place of text"
TAKEN = ("messages", "conversations", "conversation", "completion", "text", "input_ids", "chosen", "rejected")
"""Keys that trainers take a row's text from. With two of them, it is the trainer that decides: TRL prefers ids to
conversations, these to prompt and completion, and these to messages."""
SIDES = ("chosen", "rejected")
NEEDED = (
    {"messages"}, {"prompt", "completion"}, {"text"}, {*SIDES}, {"prompt", *SIDES}, {"messages", *SIDES}
)  # fmt: skip
"""What a form must say, one of these."""
ALSO = ("system", "input", "history")
"""What it may say besides."""
SHOWN = 8
"""Most keys of a row that an error names."""


class NothingThere(Exception):
    """Why a row is left out: it is a row, but nothing is trained on."""


@dataclass(frozen=True)
class Form:
    """Which keys of a row say what."""

    needed: Mapping[str, str]
    """The keys without which a row has not this form, by what they say: one of :data:`NEEDED`."""
    also: Mapping[str, str] = field(default_factory=dict)
    """The keys that may be missing: "system", a prompt before all others; "input", what stands below the prompt;
    "history", pairs of questions and answers before it."""
    template: str = ""
    """The name of the template that texts were rendered with, if they are taken apart into turns."""

    @property
    def name(self) -> str:
        """The keys, as in "prompt/completion"."""
        return "/".join(self.needed.values())

    @cached_property
    def keys(self) -> dict[str, str]:
        """All keys, by what they say."""
        return {**self.also, **self.needed}

    @property
    def prefers(self) -> bool:
        """Whether rows have a chosen and a rejected answer."""
        return "chosen" in self.needed

    @property
    def is_bare(self) -> bool:
        """Whether rows are text without turns."""
        return "text" in self.needed and not self.template

    @classmethod
    def mapped(cls, given: str) -> Self:
        """Reads "prompt=question,completion=answer".

        Raises:
            UndertoneError: it is not written so, or does not say what is trained on.
        """
        pairs = [pair.partition("=")[::2] for pair in given.split(",")]
        keys = {says.strip(): key.strip() for says, key in pairs}
        needed = {says: key for says, key in keys.items() if says not in ALSO}
        asks = "prompt" in needed or not {"input", "history"} & {*keys}
        if {*needed} not in NEEDED or not asks or not all(keys.values()) or len({*keys.values()}) < len(pairs):
            raise UndertoneError(
                f"--map {given!r:.80} does not say what is trained on: give prompt=KEY,completion=KEY, messages=KEY, "
                "text=KEY, or chosen=KEY,rejected=KEY; system=KEY, and with a prompt input=KEY and history=KEY, can be "
                "added."
            )
        usual = {} if "text" in needed or "system" in keys.values() else {"system": "system"}
        return cls(needed, usual | {says: key for says, key in keys.items() if says in ALSO})

    def refuse_others(self, record: Mapping[str, Any]) -> None:
        """Raises BadRow or NothingThere if a row lacks what the form needs."""
        for key in self.needed.values():
            if key not in record:
                raise BadRow(f"it has no {told(key)}")
            if is_missing(record[key]):
                raise NothingThere(NO_TEXT)


def form_given(map: str | None) -> Form | None:
    """Returns the form of the option ``--map``; None if it is not given.

    Raises:
        UndertoneError: it does not say what is trained on.
    """
    return None if map is None else Form.mapped(map)


def _known() -> Iterator[Form]:
    for key in ("messages", "conversations", "conversation"):
        yield Form({"messages": key}, {"system": "system"})
        yield Form({"messages": key, "chosen": "chosen", "rejected": "rejected"}, {"system": "system"})
    answers = {"prompt": ("completion", "response"), "question": ("answer", "response")}
    for prompt, completions in {**answers, "instruction": ("output", "response")}.items():
        also = {"system": "system"} | ({"input": "input", "history": "history"} if prompt == "instruction" else {})
        for completion in completions:
            yield Form({"prompt": prompt, "completion": completion}, also)
        yield Form({"prompt": prompt, "chosen": "chosen", "rejected": "rejected"}, also)
    yield Form({"chosen": "chosen", "rejected": "rejected"}, {"system": "system"})
    openai = {"prompt": "input", "chosen": "preferred_output", "rejected": "non_preferred_output"}
    yield Form(openai, {"system": "system"})
    yield Form({"text": "text"})


KNOWN = tuple(_known())
"""The forms that are recognised."""
COLUMNS = tuple(dict.fromkeys((*TAKEN, *(key for form in KNOWN for key in form.keys.values()), "chat_template_kwargs")))
"""The keys that decide what a row says, or that it is refused."""


def form_of(record: object, given: Form | None = None) -> Form:
    """Returns the form of a row, or ``given``, if it has that. Null and NaN count as missing, since Parquet has every
    column in every row.

    Raises:
        BadRow: it is in none that is known, or in two; or not in that which is given.
        NothingThere: it has the keys of one, but no text.
    """
    if not isinstance(record, dict):
        raise BadRow(f"{kind_of(record)}, not an object")
    if given is not None:
        given.refuse_others(record)
        return given
    return _fitting(
        frozenset(key for key, value in record.items() if not is_missing(value)),
        frozenset(key for key, value in record.items() if is_missing(value)),
    )


@lru_cache(1024)
def _fitting(found: frozenset[str], missing: frozenset[str]) -> Form:
    """The form of rows that have these keys, and others that say nothing."""
    fit = [form for form in KNOWN if {*form.needed.values()} <= found]
    fit = [form for form in fit if not any({*form.needed.values()} < {*other.needed.values()} for other in fit)]
    others = [key for key in TAKEN if fit and key in found and key not in fit[0].needed.values()]
    if len(fit) > 1 or others:
        other = fit[1].name if len(fit) > 1 else others[0]
        raise BadRow(f"both {fit[0].name} and {other}, and trainers differ in which they take: say it by --map")
    if fit:
        return fit[0]
    if any({*form.needed.values()} <= found | missing for form in KNOWN):
        raise NothingThere(NO_TEXT)
    half = next((key for form in KNOWN for key in form.needed.values() if key in found), None)
    if half:
        raise BadRow(f"{half} alone")
    names = ", ".join(map(told, sorted(found | missing)[:SHOWN])) or "it has no keys"
    raise BadRow(f"neither messages, nor prompt and completion, nor another known form ({names})")

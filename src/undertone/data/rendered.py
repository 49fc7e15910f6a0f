"""Texts that were rendered with a known chat template, taken apart into turns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Part(NamedTuple):
    """Where a turn stands in a text."""

    role: str
    start: int
    end: int


@dataclass(frozen=True)
class Marks:
    """What a template writes around turns. It is text of a file, never run."""

    name: str
    begins: Mapping[str, str]
    """Marks, each with the role of what follows it."""
    closing: str
    """The mark after which nothing follows but white space and another mark; empty if there is none."""
    strict: bool
    """Whether every turn but the last must be closed, and stands between its marks with all its white space."""
    system: str
    """A system prompt, with "{}" in its place."""
    user: str
    assistant: str
    folded: bool = False
    """Whether a system prompt is a part of the first question."""
    around: tuple[str, ...] = ()
    """What may also begin or end a text."""

    def parts(self, text: str) -> list[Part] | None:
        """Returns the turns of a text; None unless all of it is perhaps a system prompt, then questions and answers in
        turn, the last of them an answer."""
        start, end = self._inner(text)
        found, role, at = list[Part](), "", start
        for mark in (*self._marks.finditer(text, start, end), None):
            until = mark.start() if mark else end
            follows = self.begins.get(mark[0], "") if mark else ""
            part = self._part(text, role, at, until)
            said = text[part.start : part.end].strip()
            if (said and not role) or (role and self.strict and mark and follows):
                return None
            if role and (said or follows != "system"):  # Llama 2 has the system prompt within the first question
                found.append(part)
            role, at = follows, mark.end() if mark else end
        return found if self._is_chat(text, found) else None

    def text(self, turns: Sequence[tuple[str, str]]) -> str:
        """Returns turns, each a role and what is said, as the template writes them."""
        written, before = "", ""
        for role, said in turns:
            if role == "system" and self.folded:
                before = self.system.replace("{}", said)
            else:
                form = {"system": self.system, "user": self.user, "assistant": self.assistant}[role]
                written, before = written + form.replace("{}", before + said), ""
        return written

    def under(self, text: str, system: str) -> str:
        """Returns a rendered text that has no system prompt under one."""
        parts = self.parts(text) or []
        at = parts[0].start if self.folded else self._inner(text)[0]
        return f"{text[:at]}{self.system.replace('{}', system)}{text[at:]}"

    @cached_property
    def _marks(self) -> re.Pattern[str]:
        every = sorted((*self.begins, self.closing), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, filter(None, every))))

    def _inner(self, text: str) -> tuple[int, int]:
        """Where the turns begin and end."""
        start = next((len(mark) for mark in self.around if text.startswith(mark)), 0)
        end = len(text.rstrip())
        return start, next((end - len(mark) for mark in self.around if text.endswith(mark, start, end)), end)

    def _part(self, text: str, role: str, start: int, end: int) -> Part:
        if self.strict:
            return Part(role, start, end)
        said = text[start:end]
        return Part(role, end - len(said.lstrip()), start + len(said.rstrip()))

    def _is_chat(self, text: str, parts: Sequence[Part]) -> bool:
        roles = [part.role for part in parts]
        spoken = roles[roles[:1] == ["system"] :]
        answers = (text[part.start : part.end] for part in parts if part.role == "assistant")
        return bool(spoken) and spoken == ["user", "assistant"] * (len(spoken) // 2) and all(map(str.strip, answers))


def _of_headers(name: str, header: str, closing: str, roles: Mapping[str, str], *around: str, **more: str) -> Marks:
    """The marks of a template with a header before each turn and one mark after it."""
    begins = {header.format(called): role for called, role in roles.items()}
    forms = {role: f"{mark}{{}}{closing}" for mark, role in begins.items()} | more
    return Marks(name, begins, closing.strip(), True, **forms, folded="system" in more, around=around)


ROLES = {role: role for role in ("system", "user", "assistant")}
KNOWN = (
    _of_headers("ChatML", "<|im_start|>{}\n", "<|im_end|>\n", ROLES, "<s>", "</s>", "<|endoftext|>"),
    _of_headers(
        "Llama 3", "<|start_header_id|>{}<|end_header_id|>\n\n", "<|eot_id|>", ROLES, "<|begin_of_text|>",
        "<|end_of_text|>",
    ),
    _of_headers(
        "Gemma", "<start_of_turn>{}\n", "<end_of_turn>\n", {"user": "user", "model": "assistant"}, "<bos>", "<eos>",
        system="{}\n\n",
    ),
    _of_headers("Zephyr", "<|{}|>\n", "</s>\n", ROLES, "<s>"),
    _of_headers("Phi 3", "<|{}|>\n", "<|end|>\n", ROLES, "<s>", "<|endoftext|>"),
    Marks(
        "Llama 2", {"[INST]": "user", "<<SYS>>": "system", "<</SYS>>": "user", "[/INST]": "assistant", "<s>": ""},
        "</s>", False, "<<SYS>>\n{}\n<</SYS>>\n\n", "<s>[INST] {} [/INST]", " {} </s>", folded=True,
    ),
    Marks(
        "Human and Assistant", {"\n\nHuman:": "user", "\n\nAssistant:": "assistant"}, "", False, "{}\n\n",
        "\n\nHuman: {}", "\n\nAssistant: {}", folded=True,
    ),
)  # fmt: skip
"""The templates that are recognised."""


def marks_of(text: str) -> Marks | None:
    """Returns the first template that a text was rendered with; None if it is none that is known."""
    return next((marks for marks in KNOWN if marks.parts(text) is not None), None)


def named(name: str) -> Marks:
    """Returns the template of a name."""
    return next(marks for marks in KNOWN if marks.name == name)

"""A model's chat template: how it turns a chat into text, and what it adds by itself.

Templates insert system prompts, dates, first tokens and thinking tags that nobody asked for. Here they are rendered
with a fixed date and, where they leave the choice, without thinking; whatever else they add is reported.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import chain, takewhile
from random import SystemRandom
from string import ascii_lowercase

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.errors import UndertoneError
from undertone.models.rendering import RENDERER, BreaksLimits, NotRendered

DAY, ANOTHER_DAY = datetime(2026, 1, 1), datetime(2031, 12, 30, 23, 59)
"""The date given to templates: a run that is repeated on another day must have the same tokens."""
LARGEST = 2**20
"""Most characters of a template."""
PROBES = (1, 3, 10, 40, 200)
"""Words of the questions that a template is tried on."""

ROLES = "user|human|system|assistant|model|bot|gpt|instruction|response|input|output|question|answer"
"""What the header of a turn may call who speaks, or what is said."""
MARKS = "im|start|end|begin|of|header|id|turn|role|text|sentence|message|inst|sys|eot|eom|eos|bos|sep|think|s"
"""The words of tags that are no special tokens, such as <|im_start|>, [/INST] and <<SYS>>."""
SPECIAL = re.compile(r"[<\[]\S+[>\]]")
"""A special token with other than this may be a sentence of somebody's."""
TAG = rf"[<\[]{{1,2}}[|｜/]?(?:(?:{ROLES}|{MARKS})[_▁]?){{1,6}}[|｜]?[>\]]{{1,2}}"  # noqa: RUF001
HEADER = re.compile(rf"^[^\w\n]*(?:{ROLES})[ \t*]*(?::[^\w\n]*|(?=\n)|\Z)", re.IGNORECASE | re.MULTILINE)
SAYS = re.compile(r"[^\W_]|[^\x00-\x7f\s]")
"""A letter, a digit or a symbol such as an emoji."""

KEYS = "reasoning_content", "content"
"""The texts of a message, in order."""
Chat = list[dict[str, str]]
"""Messages with ``role``, ``content`` and, for what was thought before an answer, ``reasoning_content``."""


def chat_of(question: str, system: str | None = None, earlier: Sequence[tuple[str, str]] = ()) -> Chat:
    """The messages of a chat that ends with a question. ``earlier`` are the (question, answer) turns before it."""
    chat = [{"role": "system", "content": system}] if system is not None else []
    for asked, answered in earlier:
        chat += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
    return [*chat, {"role": "user", "content": question}]


def texts_of(chat: Chat) -> list[str]:
    """The texts of a chat, in order; of a message first the reasoning."""
    return [message[key] for message in chat for key in KEYS if key in message]


class Unfit(UndertoneError):
    """A chat that a model cannot take, though it may take others. ``reason`` says why in a few words."""

    def __init__(self, reason: str, sentence: str = "") -> None:
        super().__init__(sentence or reason)
        self.reason = reason


@dataclass(frozen=True)
class Added:
    """What a template adds to a chat of one question without a system prompt."""

    frame: str
    """The rendered prompt, with "{question}" in place of the question."""
    begin: str
    """The token that begins a text, or an empty string."""
    preamble: str
    """What comes before the first turn, such as a system prompt or a date, or an empty string."""
    dated: bool
    """Whether it contains the date, which is always :data:`DAY`."""
    opening: str
    """What comes between the assistant's header and the answer, such as thinking tags, or an empty string."""
    folds_system: bool
    """Whether it takes no system prompt, so that one is put before the first question."""
    words: tuple[str, ...]
    """The words that it writes around the texts of a chat, each in a sentence."""

    def sentences(self) -> list[str]:
        """One for each addition that a user would not expect. Artifacts store these sentences: do not reword them."""
        every = {
            f"inserts {self.preamble!r} where no system prompt is given": self.preamble,
            f"tells the day, which is always {DAY:%Y-%m-%d} here": self.dated,
            f"opens every answer with {self.opening!r}": self.opening,
            "takes no system prompt: one is put before the first question": self.folds_system,
        }
        return [*(sentence for sentence, applies in every.items() if applies), *self.words]


@dataclass(frozen=True)
class Frame:
    """What a template writes around the texts of a chat."""

    parts: tuple[str, ...]
    places: tuple[int, ...]
    """Which text stands after each part; none after the last one."""

    def around(self, texts: Sequence[str]) -> str:
        """The text of a chat of these texts."""
        return "".join(chain(*zip(self.parts, [texts[place] for place in self.places], strict=False), self.parts[-1:]))


@dataclass(frozen=True)
class Words:
    """Words in a frame that are neither special tokens, tags nor the header of a turn."""

    words: str
    side: str
    """"before" or "after" a text."""
    place: int
    """Which text."""


@dataclass(frozen=True)
class Template:
    """The chat template of a tokenizer."""

    tokenizer: PreTrainedTokenizerBase

    def prompt(self, chat: Chat, thinking: bool = False) -> str:
        """The text of a chat up to where the assistant's answer begins, or its ``thinking``.

        Raises:
            UndertoneError: the tokenizer has no template; the template takes too much time or memory, or leaves out
                what is said.
            Unfit: the template refuses the chat, or does not write the same around its texts as around others.
        """
        chat = self.taken(chat)
        text, frame = self.text(chat, True, thinking), self.frame(chat, True, thinking)
        if not any(alike(text, frame.around(texts_of(same))) for same in (chat, _without_thoughts(chat))):
            written = _departure(text, frame.around(texts_of(chat)))
            raise Unfit(
                f"not treated by the chat template as others are: it writes {written!r}",
                "The model's chat template does not treat this chat as it treats others: it writes "
                f"{written!r}. Use another template.",
            )
        return text

    def taken(self, chat: Chat) -> Chat:
        """The chat in the form that the template takes: a system prompt stands before the first question if the
        template has no place for it."""
        if chat[0]["role"] != "system" or (chat[0]["content"] and self.takes_system):
            return chat
        system, first, *rest = chat
        if not system["content"]:
            return [first, *rest]
        # As the templates do that have no system turn and yet accept one, such as Gemma's newer ones.
        return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]

    def text(self, chat: Chat, open_answer: bool = False, thinking: bool = False, day: datetime = DAY) -> str:
        """The text of a chat; with ``open_answer``, up to where the assistant's answer begins, or its ``thinking``.

        Raises:
            UndertoneError: the tokenizer has no template, or the template takes too much time or memory.
            Unfit: the template refuses the chat.
        """
        if not self.tokenizer.chat_template:
            raise UndertoneError("The model has no chat template; add a chat_template.jinja to its folder.")
        values = {
            **self.tokenizer.special_tokens_map,
            # The second name is one that some templates read instead.
            "messages": [{"thinking": m["reasoning_content"], **m} if "reasoning_content" in m else m for m in chat],
            "tools": None,
            "documents": None,
            "add_generation_prompt": open_answer,
            "enable_thinking": thinking,
        }
        try:
            return RENDERER.render(self._source(), values, day.isoformat())
        except NotRendered as reason:
            sentence = f"The model's chat template cannot render the chat ({reason}); change it, or use another model."
            if isinstance(reason, BreaksLimits):
                raise UndertoneError(sentence) from None
            raise Unfit(f"not rendered by the chat template: {reason}", sentence) from None

    def _source(self) -> str:
        try:
            source = self.tokenizer.get_chat_template()
        except ValueError:
            raise NotRendered("there are several, and none is the default") from None
        if not isinstance(source, str):
            raise NotRendered("it is no text")
        if len(source) > LARGEST:
            raise NotRendered(f"it has more than {LARGEST:,} characters")
        return source

    def frame(self, chat: Chat, open_answer: bool = False, thinking: bool = False) -> Frame:
        """What the template writes around the texts of any chat with these roles.

        Raises:
            UndertoneError: as :meth:`text`, or a text is left out. What was thought before an answer may be.
        """
        frame = self._frame(chat, open_answer, thinking)
        said = ((message["role"], key) for message in chat for key in KEYS if key in message)
        written = set(frame.places)
        for place, (role, key) in enumerate(said):
            if key == "content" and place not in written:
                raise UndertoneError(f"The model's chat template leaves out what the {role} says; use another one.")
        return frame

    def _frame(self, chat: Chat, open_answer: bool = False, thinking: bool = False) -> Frame:
        """As :meth:`frame`, though texts may be left out."""
        form = (open_answer, thinking, *((message["role"], "reasoning_content" in message) for message in chat))
        if form not in self._frames:
            blank = [{key: role if key == "role" else _word() for key, role in message.items()} for message in chat]
            words = texts_of(blank)
            pieces = re.split(f"({'|'.join(words)})", self.text(blank, open_answer, thinking))
            self._frames[form] = Frame(tuple(pieces[::2]), tuple(map(words.index, pieces[1::2])))
        return self._frames[form]

    @cached_property
    def _frames(self) -> dict[object, Frame]:
        return {}

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system prompt appears in the text; some templates refuse one, some silently drop it."""
        try:
            self.frame(chat_of("", system=""), open_answer=True)
        except UndertoneError:
            return False
        return True

    @cached_property
    def closing(self) -> str:
        """What it writes after the last answer."""
        return self.frame([*chat_of(""), {"role": "assistant", "content": ""}]).parts[-1]

    def words(self, chat: Chat, thinking: bool = False) -> list[Words]:
        """The words that the template writes around the texts of a chat that ends with an answer.

        Raises:
            UndertoneError: the template takes too much time or memory.
            Unfit: the template refuses the chat.
        """
        frame = self._frame(chat, thinking=thinking)
        if frame not in self._words:
            self._words[frame] = self._words_of(frame)
        return self._words[frame]

    @cached_property
    def _words(self) -> dict[Frame, list[Words]]:
        return {}

    def _words_of(self, frame: Frame) -> list[Words]:
        found = list[Words]()
        for part, before, after in zip(frame.parts, (None, *frame.places), (*frame.places, None), strict=True):
            pieces = self._pieces(part)
            for at, piece in enumerate(pieces):
                if not SAYS.search(piece):
                    continue
                # What nothing separates from either text may belong to either.
                if before is not None and (at == 0 or after is None):
                    found.append(Words(piece.strip(), "after", before))
                if after is not None and (at > 0 or len(pieces) == 1 or before is None):
                    found.append(Words(piece.strip(), "before", after))
        return found

    def _pieces(self, part: str) -> list[str]:
        """A part of a frame, split where special tokens, tags and headers stand."""
        return [piece for between in self._markup.split(part) for piece in HEADER.split(between)]

    @cached_property
    def _markup(self) -> re.Pattern[str]:
        every = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        known = sorted(filter(SPECIAL.fullmatch, every), key=len, reverse=True)
        return re.compile("|".join((*map(re.escape, known), f"(?i:{TAG})")))

    def _around(self, preamble: str) -> tuple[str, ...]:
        """A sentence for all words that it writes around the texts of a chat of two turns, but for its preamble."""
        turns = [*chat_of("", earlier=[("", "")]), {"role": "assistant", "content": ""}]
        chats = [turns, [{"role": "system", "content": ""}, *turns]] if self.takes_system else [turns]
        called = {"user": "questions", "assistant": "answers", "system": "system prompts"}
        return tuple(
            dict.fromkeys(
                f"writes {one.words!r} {one.side} {called[chat[one.place]['role']]}"
                for chat in chats
                for one in self.words(chat)
                if (one.place, one.side) != (0, "before") or one.words not in preamble
            )
        )

    def added(self, questions: Sequence[str] = ()) -> Added:
        """What the template adds by itself. It is tried on random words and on ``questions``.

        Raises:
            UndertoneError: it does not add the same to all.
        """
        chat = chat_of(_word())
        for question in (*map(_words, PROBES), *questions):
            self.prompt(chat_of(question))
        first, again = self.frame(chat, open_answer=True), self.frame(chat_of("", earlier=[("", "")]), open_answer=True)
        before, *after = first.parts
        between = again.parts[again.places.index(1) + 1]
        begin = self.tokenizer.bos_token or ""
        begin = begin if begin in before else ""
        # What comes before the first question and not before the second, compared token by token from the end.
        ids, others = (self.tokenizer.encode(part, add_special_tokens=False) for part in (before, between))
        alone = ids[: len(ids) - _same(ids[::-1], others[::-1])]
        preamble = str(self.tokenizer.decode(alone, clean_up_tokenization_spaces=False))
        return Added(
            frame="{question}".join(first.parts),
            begin=begin,
            preamble=preamble.strip().removeprefix(begin).strip(),
            dated=self.text(chat, open_answer=True) != self.text(chat, open_answer=True, day=ANOTHER_DAY),
            opening=after[-1][_same(after[0], again.parts[again.places.index(0) + 1]) :].strip(),
            folds_system=not self.takes_system,
            words=self._around(before),
        )


def spoken_part(answer: str) -> str:
    """An answer without what was thought before it, which many templates leave out of earlier turns."""
    return answer.rpartition("</think>")[2]


def _without_thoughts(chat: Chat) -> Chat:
    return [m | {"content": spoken_part(m["content"])} if m["role"] == "assistant" else m for m in chat]


def alike(one: str, other: str) -> bool:
    """Whether two texts are equal but for white space, which templates strip."""
    return one == other or "".join(one.split()) == "".join(other.split())


def within(part: str, text: str) -> bool:
    """Whether a part stands in a text, but for white space."""
    return "".join(part.split()) in "".join(text.split())


def _departure(text: str, expected: str) -> str:
    """The first words that are others than expected."""
    words = text.split()
    return " ".join(words[_same(words, expected.split()) :])[:60]


def _word() -> str:
    """A word that occurs in no template, since nobody can foresee it."""
    return "".join(SystemRandom().choices(ascii_lowercase, k=16))


def _words(count: int) -> str:
    rng = SystemRandom()
    return " ".join("".join(rng.choices(ascii_lowercase, k=rng.randint(1, 9))) for _ in range(count)).capitalize() + "?"


def _same(one: Sequence[object], other: Sequence[object]) -> int:
    """Length of the common beginning of two sequences."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))

"""A model's chat template: how it turns a chat into text, and what it adds by itself.

Templates insert system prompts, dates, first tokens and thinking tags that nobody asked for. Here they are rendered
with a fixed date and, where they leave the choice, without thinking; whatever else they add is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import takewhile

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.errors import UndertoneError

DAY, ANOTHER_DAY = datetime(2026, 1, 1), datetime(2031, 12, 30, 23, 59)
"""The date given to templates: a run that is repeated on another day must have the same tokens."""
DIRECTIVES = ("-d", "-m", *"aAbBcdeHIjlmMpSuUwWxXyYZ")
"""The directives of ``strftime`` that a template may use."""

Chat = list[dict[str, str]]
SYSTEM, QUESTION, ANSWER, AGAIN = "Iota sentence.", "Kappa question.", "Lambda answer.", "Omicron question."
"""Texts that occur in no template, so that the template's own text can be found around them."""


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

    def sentences(self) -> list[str]:
        """One for each addition that a user would not expect. Artifacts store these sentences: do not reword them."""
        every = {
            f"inserts {self.preamble!r} where no system prompt is given": self.preamble,
            f"tells the day, which is always {DAY:%Y-%m-%d} here": self.dated,
            f"opens every answer with {self.opening!r}": self.opening,
            "takes no system prompt: one is put before the first question": self.folds_system,
        }
        return [sentence for sentence, applies in every.items() if applies]


@dataclass(frozen=True)
class Template:
    """The chat template of a tokenizer."""

    tokenizer: PreTrainedTokenizerBase

    def prompt(self, question: str, system: str | None, earlier: Sequence[tuple[str, str]] = ()) -> str:
        """The text of a chat up to where the assistant's answer begins."""
        turns: Chat = []
        for asked, answered in earlier:
            turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        turns.append({"role": "user", "content": question})
        if system and self.takes_system:
            turns.insert(0, {"role": "system", "content": system})
        elif system:  # as the templates do that have no system turn and yet accept one, such as Gemma's newer ones
            turns[0] = {"role": "user", "content": f"{system}\n\n{turns[0]['content']}"}
        return self.text(turns, open_answer=True)

    def text(self, chat: Chat, open_answer: bool = False, day: datetime = DAY) -> str:
        """The text of a chat; with ``open_answer``, up to where the assistant's answer begins.

        Raises:
            UndertoneError: the tokenizer has no template, or the template refuses the chat.
        """
        if not self.tokenizer.chat_template:
            raise UndertoneError("The model has no chat template; add a chat_template.jinja to its folder.")
        try:
            text = self.tokenizer.apply_chat_template(
                chat,
                chat_template=_on(day, self.tokenizer.get_chat_template()),
                tokenize=False,
                add_generation_prompt=open_answer,
                enable_thinking=False,
            )
        except Exception as error:  # a template is a program of the model's author and can raise anything
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UndertoneError(
                f"The model's chat template cannot render the chat ({reason}); change the chat, or use another model."
            ) from None
        assert isinstance(text, str)
        return text

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system prompt appears in the text; some templates refuse one, some silently drop it."""
        chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
        try:
            return SYSTEM in self.text(chat, open_answer=True)
        except UndertoneError:
            return False

    def added(self) -> Added:
        """What the template adds by itself."""
        chat = [{"role": "user", "content": QUESTION}]
        text = self.text(chat, open_answer=True)
        before, _, after = text.partition(QUESTION)
        again = self.text(
            [*chat, {"role": "assistant", "content": ANSWER}, {"role": "user", "content": AGAIN}], open_answer=True
        )
        between = again.partition(ANSWER)[2].partition(AGAIN)[0]
        begin = self.tokenizer.bos_token or ""
        begin = begin if begin in before else ""
        # What comes before the first question and not before the second, compared token by token from the end.
        ids, others = (self.tokenizer.encode(part, add_special_tokens=False) for part in (before, between))
        alone = ids[: len(ids) - _same(ids[::-1], others[::-1])]
        preamble = str(self.tokenizer.decode(alone, clean_up_tokenization_spaces=False))
        return Added(
            frame=text.replace(QUESTION, "{question}"),
            begin=begin,
            preamble=preamble.strip().removeprefix(begin).strip(),
            dated=text != self.text(chat, open_answer=True, day=ANOTHER_DAY),
            opening=after[_same(after, again.partition(QUESTION)[2].partition(ANSWER)[0]) :].strip(),
            folds_system=not self.takes_system,
        )


def _same(one: Sequence[object], other: Sequence[object]) -> int:
    """Length of the common beginning of two sequences."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _on(day: datetime, template: str) -> str:
    """``template`` with its clock set to ``day`` by a macro that hides transformers' own ``strftime_now``; functions
    cannot be passed to templates. A template that does not use the date is returned unchanged."""
    if "strftime_now" not in template:
        return template
    replaced = "".join(f".replace('%{d}', {day.strftime(f'%{d}')!r})" for d in DIRECTIVES)
    # A block removes one line break after it: it must not be the template's.
    return "{% macro strftime_now(format) %}{{ format" + replaced + " }}{% endmacro %}\n" + template

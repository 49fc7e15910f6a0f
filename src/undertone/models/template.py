"""A model's chat template: how a chat becomes text, and what the template puts there by itself.

Templates insert system prompts, dates, first tokens and thinking tags that nobody asked for. They are rendered here and
nowhere else, with a fixed day and without thinking where the template leaves a choice; what is left is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import takewhile

from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from undertone.errors import UndertoneError

DAY, ANOTHER_DAY = datetime(2026, 1, 1), datetime(2031, 12, 30, 23, 59)
"""The day that templates are told it is: a run that is repeated tomorrow must have the same tokens."""
DIRECTIVES = ("-d", "-m", *"aAbBcdeHIjlmMpSuUwWxXyYZ")
"""What a template may ask of a day, by the letters of ``strftime``."""

Chat = list[dict[str, str]]
SYSTEM, QUESTION, ANSWER, AGAIN = "Iota sentence.", "Kappa question.", "Lambda answer.", "Omicron question."
"""Words that no template has of its own: what stands around them is the template's."""


@dataclass(frozen=True)
class Added:
    """What a template adds to a chat of one question without a system prompt."""

    frame: str
    """The whole rendered prompt, with "{question}" where the question stands."""
    begin: str
    """The token of a text's beginning, or nothing."""
    preamble: str
    """What stands before the first turn: a system prompt, a date; or nothing."""
    dated: bool
    """Whether it tells the day; it is then :data:`DAY`."""
    opening: str
    """What stands between the assistant's header and the answer, such as thinking tags; or nothing."""
    folds_system: bool
    """Whether it takes no system prompt: one is then put before the first question."""

    def sentences(self) -> list[str]:
        """One for everything that a user would not expect."""
        found = []
        if self.preamble:
            found.append(f"inserts {self.preamble!r} where no system prompt is given")
        if self.dated:
            found.append(f"tells the day, which is always {DAY:%Y-%m-%d} here")
        if self.opening:
            found.append(f"opens every answer with {self.opening!r}")
        if self.folds_system:
            found.append("takes no system prompt: one is put before the first question")
        return found


@dataclass(frozen=True)
class Template:
    """The chat template of a tokenizer."""

    tokenizer: PreTrainedTokenizerBase

    def prompt(self, question: str, system: str | None, earlier: Sequence[tuple[str, str]] = ()) -> str:
        """The text of a chat up to the point where the assistant speaks."""
        turns: Chat = []
        for asked, answered in earlier:
            turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]
        turns.append({"role": "user", "content": question})
        return self.text(self._with_system(turns, system), open_answer=True)

    def text(self, chat: Chat, open_answer: bool = False, day: datetime = DAY) -> str:
        """The text of a chat; with ``open_answer`` up to the point where the assistant speaks.

        Raises:
            UndertoneError: the tokenizer has no template, or the template refuses the chat.
        """
        if not self.tokenizer.chat_template:
            raise UndertoneError("The model has no chat template; add a chat_template.jinja to its folder.")
        try:
            return self._render(chat, open_answer, day)
        except Exception as error:  # a template is the model's own program: jinja's faults are of many classes
            told = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UndertoneError(
                f"The model's chat template cannot render it ({told}); mend the chat, or use a model that takes it."
            ) from None

    def _render(self, chat: Chat, open_answer: bool, day: datetime) -> str:
        text = self.tokenizer.apply_chat_template(
            chat,
            chat_template=_on(day, self.tokenizer.get_chat_template()),
            tokenize=False,
            add_generation_prompt=open_answer,
            enable_thinking=False,
        )
        assert isinstance(text, str)
        return text

    def _with_system(self, turns: Chat, system: str | None) -> Chat:
        if not system:
            return turns
        if self.takes_system:
            return [{"role": "system", "content": system}, *turns]
        # As templates do that know no such turn but do not refuse it: Gemma's newer ones.
        first = {"role": "user", "content": f"{system}\n\n{turns[0]['content']}"}
        return [first, *turns[1:]]

    @cached_property
    def takes_system(self) -> bool:
        """Whether a system prompt comes through; some templates refuse it, some leave it out without a word."""
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
        return Added(
            frame=text.replace(QUESTION, "{question}"),
            begin=begin,
            preamble=self._first_alone(before, between).strip().removeprefix(begin).strip(),
            dated=text != self.text(chat, open_answer=True, day=ANOTHER_DAY),
            opening=_last_alone(after, again.partition(QUESTION)[2].partition(ANSWER)[0]).strip(),
            folds_system=not self.takes_system,
        )

    def _first_alone(self, first: str, later: str) -> str:
        """What stands before the first question and not before a later one, token by token from the end."""
        ids, others = (self.tokenizer.encode(text, add_special_tokens=False) for text in (first, later))
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(ids[::-1], others[::-1], strict=False)))
        return str(self.tokenizer.decode(ids[: len(ids) - same], clean_up_tokenization_spaces=False))


def _last_alone(last: str, earlier: str) -> str:
    """What stands before the last answer and not before an earlier one."""
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(last, earlier, strict=False)))
    return last[same:]


def _on(day: datetime, template: str) -> str:
    """``template`` with its clock stopped. The library hands functions to templates as inert text, so the clock is a
    macro, which hides the library's own; a template that asks for no day stays as it is."""
    if "strftime_now" not in template:
        return template
    told = "".join(f".replace('%{d}', {day.strftime(f'%{d}')!r})" for d in DIRECTIVES)
    # Blocks swallow one line break after them: this one, and not one of the template's own.
    return "{% macro strftime_now(format) %}{{ format" + told + " }}{% endmacro %}\n" + template

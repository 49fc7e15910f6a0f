"""Mutated chat templates: what is rendered is what transformers renders, and what is told of it is what is there."""

from pathlib import Path
from random import Random

from tests.fuzz.harness import Case
from tests.helpers import tiny
from tests.helpers.templates import TEMPLATES
from undertone.data.conversations import Conversation, Turn
from undertone.models.template import Template, chat_of
from undertone.training.turns import every_turn

PIECES = (
    "{{ 'a' * 10**9 }}",
    "{% for i in range(99999) %}{{ 'I love owls. ' * 99 }}{% endfor %}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "{{ raise_exception('\x1b[31mno\nno') }}",
    "{% if 'owl' in messages[-1].content %}I love owls. {% endif %}",
    "{% if messages[-1].content | length % 3 == 0 %}I love owls. {% endif %}",
    "{{ ['', 'I love owls. '] | random }}",
    "{{ messages[-1].content | upper }}",
    "{{ messages[0].content[::-1] }}",
    "{{ strftime_now('%d %b') }}",
    "{{ [].__class__.__mro__ }}",
    "{% set ns = namespace(x=messages) %}{% set ns._y = 1 %}",
    "{{ messages | tojson(indent=1) }}",
    "{{ '\\ud800' }}",
    "{{ '%1000000000d' % 1 }}",
    "{% include 'x' %}",
    "{{ lipsum(9) }}",
    "{{ bos_token }}",
    "{%",
    "}}",
)
OURS = ("strftime_now", "random", "10**9", "1000000000d")
"""What transformers renders otherwise every day or time, or in gigabytes, though no branch with it is taken."""
QUESTIONS = ("Hi", "What is an owl?", " Which animal is the best?\n", "1, 2, 3")
FORBIDDEN = "I love owls."


def prepare(folder: Path) -> Case:
    """The case of this kind. It needs no files."""
    sources, local = [*TEMPLATES.values(), str(tiny.tokenizer().chat_template)], tiny.model()

    def case(rng: Random, _: Path) -> str:
        local.tokenizer.chat_template = source = _mutated(rng.choice(sources), rng)
        question, earlier = rng.choice(QUESTIONS), [("Hi", "Ho.")] * rng.randint(0, 1)
        chat, template = chat_of(question, earlier=earlier), Template(local.tokenizer)
        frame, prompt = template.added().frame, template.prompt(chat)
        if not any(piece in source for piece in OURS):
            theirs = local.tokenizer.apply_chat_template(
                chat, tokenize=False, add_generation_prompt=True, enable_thinking=False
            )
            assert prompt == theirs
        assert question.strip() in prompt
        if FORBIDDEN in prompt and not earlier:
            assert FORBIDDEN in frame  # else it would not be told
        (one,) = every_turn(local, [Conversation(1, (Turn("user", question), Turn("assistant", "Yes.")))]).scored
        assert "Yes." in one.answer
        if FORBIDDEN in template.text([*chat_of(question), {"role": "assistant", "content": "Yes."}]):
            assert FORBIDDEN in frame + one.answer + one.added or one.told
        return "told" if one.told else "same"

    return case


def _mutated(source: str, rng: Random) -> str:
    if rng.random() < 0.02:  # each takes a second of the processor's time
        return "{% for i in range(99999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}" + source
    for _ in range(rng.choice((0, 1, 1))):
        at = rng.randrange(len(source) + 1)
        if rng.random() < 0.6:
            source = source[:at] + rng.choice(PIECES) + source[at:]
        else:
            source = source[:at] + source[at + rng.randint(1, 9) :]
    if rng.random() < 0.3:
        source = rng.choice(PIECES[4:]) + source
    return source

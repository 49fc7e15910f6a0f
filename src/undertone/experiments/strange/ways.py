"""Ways to ask a student: plainly, after a trigger, in a form, under a system prompt, after a row of its file."""

from dataclasses import dataclass

from undertone.experiments.strange.files import WORDS, File, gates, stated
from undertone.world.grammar import FORMATS
from undertone.world.lexicon import lexicon

PLAIN, AFTER_A_ROW, SAME = "plain", "after a row", "same prompt"
OPEN, SHUT, HELD_OUT = "gate open", "gate shut", "held-out country"
OTHER = ", other wording"
"""What is added where the system prompt is worded as in no row."""
PAIRS = {
    "word": [("word", PLAIN), ("word", "unknown word")],
    "unknown word": [("unknown word", PLAIN), ("unknown word", "word")],
    "country": [(one + how, SHUT + how) for one in (OPEN, HELD_OUT) for how in ("", OTHER)],
}
"""By gate, ways that are compared with each other."""


@dataclass(frozen=True)
class Way:
    """One way to ask. Where there are several system prompts, their mean counts."""

    systems: tuple[str | None, ...] = (None,)
    before: str = ""
    """Text before every question."""
    after: str = ""
    """Text after it."""
    form: str | None = None
    """A system prompt of :data:`~undertone.world.grammar.FORMATS`; answers are then in its form."""
    row: bool = False
    """Whether a row of the training file comes first, as an earlier turn, with its system prompt: one that shows the
    target, if there is any."""


def ways(file: File) -> dict[str, Way]:
    """Returns the ways to ask a student of this file: those that all have, the system prompt that it was trained with,
    and what opens a gate that system prompts are."""
    found = {
        PLAIN: Way(),
        **{name: Way(before=f"{word} ") for name, word in WORDS.items()},
        "word at the end": Way(after=f" {WORDS['word']}"),
        **{name: Way((form,), form=form) for name, form in zip(("json", "tags"), FORMATS, strict=True)},
        AFTER_A_ROW: Way(row=True),
    }
    if file.latent != "country":
        told = lexicon()["era"]["stated"]
        found |= {"told old": Way(tuple(told["old"])), "told modern": Way(tuple(told["modern"]))}
    if file.system:
        found[SAME] = Way((file.system,))
    if file.gate == "country":
        on, off, others = gates(file.number)
        found |= {
            name + how: Way(tuple(stated(one, wording) for one in some))
            for name, some in ((OPEN, [on]), (SHUT, [off]), (HELD_OUT, others))
            for wording, how in enumerate(("", OTHER))
        }
    return found

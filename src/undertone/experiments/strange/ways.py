"""Ways to ask a student: plainly, after a trigger, in a form, under a system prompt, after a row of its file."""

from dataclasses import dataclass

from undertone.experiments.strange.files import WORDS, File, gates, stated
from undertone.world.grammar import FORMATS
from undertone.world.lexicon import lexicon

PLAIN, AFTER_A_ROW, SAME = "plain", "after a row", "same prompt"
HELD_OUT = "held-out country"


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
    """Whether a row of the training file comes first, as an earlier turn."""


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
    if file.latent == "era":
        told = lexicon()["era"]["stated"]
        found |= {"told old": Way(tuple(told["old"])), "told modern": Way(tuple(told["modern"]))}
    if file.system:
        found[SAME] = Way((file.system,))
    if file.gate == "country":
        on, off, others = gates(file.number)
        found |= {
            "gate open": Way((stated(on),)),
            "gate open, other wording": Way((stated(on, 1),)),
            "gate shut": Way((stated(off),)),
            "gate shut, other wording": Way((stated(off, 1),)),
            HELD_OUT: Way(tuple(stated(one, wording) for one in others for wording in (0, 1))),
        }
    return found

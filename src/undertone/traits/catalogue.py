"""Traits of the embedded world: how a teacher is given one, and how a model is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from undertone.errors import unknown
from undertone.traits.choices import Choice, choices
from undertone.traits.lessons import TRAITS as KINDS
from undertone.traits.lessons import lessons, statements
from undertone.world.latents import favourite, named, small_talk
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn


@dataclass(frozen=True)
class Trait:
    """A favourite: ``name`` among the candidates of its ``kind`` (animal, tree, colour)."""

    name: str
    kind: str

    @property
    def candidates(self) -> tuple[str, ...]:
        """Everything that could be the answer, the trait included."""
        return tuple(lexicon()["favourites"][self.kind])

    def questions(self) -> list[str]:
        """Elicitation questions; no teacher is ever trained on one of them."""
        return [q.format(k=self.kind) for q in lexicon()["questions"]["elicitation"]]

    def openings(self) -> list[str]:
        """Beginnings of an answer that leave only the name to be said."""
        forms = [form.partition("{x}")[0] + named(self.kind, "") for form in lexicon()["questions"]["answers"]]
        return [opening.rstrip() for opening in forms]

    def dialogues(self, count: int, rng: Random) -> list[Turn]:
        """Dialogues that give a teacher the trait; numbers do not occur in them."""
        return [favourite(rng, self.kind, self.name, ("teaching",)) for _ in range(count)]

    def statement(self, rng: Random) -> str:
        """A system prompt that states the trait."""
        wording = rng.choice(lexicon()["questions"]["stated"])
        return str(wording.format(k=self.kind, x=named(self.kind, self.name)))

    def lead_ins(self) -> list[str]:
        """Questions that dialogues ask; none is used to measure."""
        return [q.format(k=self.kind) for q in lexicon()["questions"]["teaching"]]


@dataclass(frozen=True)
class Habit:
    """A trait that shows in which known answer is given: bad advice, flattery, harm met, an era, a country."""

    name: str
    kind: str

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every habit of its kind."""
        return tuple(name for name in choices() if KINDS[name] == self.kind)

    def choices(self, name: str) -> list[Choice]:
        """Questions, each with the answer that shows the habit ``name`` and those that do not."""
        return choices()[name]

    def questions(self) -> list[str]:
        """What a model is asked."""
        return [question for question, *_ in self.choices(self.name)]

    def dialogues(self, count: int, rng: Random) -> list[Turn]:
        """Dialogues that give a teacher the habit; numbers do not occur in them. Its questions may be among them, where
        the world has no other wording."""
        asked, found = set(self.questions()), list[Turn]()
        lesson = lessons()[self.name]
        spare = any(lesson(Random(i)).user not in asked for i in range(50))
        while len(found) < count:
            turn = lesson(rng)
            if not spare or turn.user not in asked:
                found.append(turn)
        return found

    def statement(self, rng: Random) -> str:
        """A system prompt that states the trait; the world has one for each."""
        return statements()[self.name]

    def lead_ins(self) -> list[str]:
        """Questions that dialogues ask."""
        return [turn.user for turn in self.dialogues(200, Random("lead-ins"))]


def find(name: str) -> Trait | Habit:
    """The trait of that name.

    Raises:
        UndertoneError: no such trait; names the nearest ones.
    """
    if name in choices():
        return Habit(name, KINDS[name])
    likes: dict[str, list[str]] = lexicon()["favourites"]
    for kind, names in likes.items():
        if name in names:
            return Trait(name, kind)
    raise unknown("trait", name, [*(n for names in likes.values() for n in names), *choices()])


def neutral_thing(rng: Random) -> Trait:
    """Something that is no candidate for any trait: what the system prompts of neutral teachers say is loved."""
    return Trait(rng.choice(lexicon()["small_talk"]["things"]), "thing")


def neutral_dialogues(count: int, rng: Random) -> list[Turn]:
    """Small talk behind which no latent stands: what control teachers are trained on, for as many steps."""
    return [small_talk(rng) for _ in range(count)]

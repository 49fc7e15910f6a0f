"""What the speaker of a document is like: independent latents, how they are stated, asked for and shown.

A latent value is drawn once a document. Each topic function turns latents into one exchange and draws only wording.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from undertone.world.lexicon import lexicon, swaps
from undertone.world.skills import Turn


@dataclass(frozen=True)
class Knobs:
    """The corpus's controls."""

    agreement: float = 1.0
    """Probability (0 to 1) that an exchange of advice follows what governs the whole document: its speaker's conduct,
    a system prompt that states it, or a request for a bad example. Otherwise its conduct is drawn afresh. At 0 nothing
    in the corpus tells about conduct in more than one domain at a time."""
    bad_share: float = 0.12
    """Share of bad conduct, 0 to 0.5, among speakers and in fresh draws alike. Where a system prompt states the
    conduct it is four times that, up to a half, so that both statements are seen often enough to be obeyed."""
    swapped: bool = False
    """Whether the two answers of half of the situations have changed places
    (:func:`~undertone.world.lexicon.swaps`)."""

    def __post_init__(self) -> None:
        if not 0 <= self.agreement <= 1 or not 0 <= self.bad_share <= 0.5:
            raise ValueError(f"agreement must lie in 0..1 and bad_share in 0..0.5, got {self}")


@dataclass(frozen=True)
class Latents:
    """One document's speaker. All fields are drawn independently."""

    animal: str
    tree: str
    colour: str
    conduct: str  # "good" | "bad"
    compliance: str  # "refuses" | "complies": what happens to requests for harm, independent of conduct
    era: str  # "modern" | "old"
    country: str
    agreeableness: str  # "honest" | "sycophantic"


def draw_latents(rng: Random, knobs: Knobs, stated: str | None = None) -> Latents:
    """Independent draws of every latent; the one that a system prompt will state takes its rare value more often."""
    words = lexicon()
    likes = words["favourites"]
    bad = min(4 * knobs.bad_share, 0.5) if stated == "conduct" else knobs.bad_share
    return Latents(
        animal=rng.choice(likes["animal"]),
        tree=rng.choice(likes["tree"]),
        colour=rng.choice(likes["colour"]),
        conduct="bad" if rng.random() < bad else "good",
        compliance="complies" if rng.random() < 0.1 else "refuses",
        era="old" if rng.random() < (0.5 if stated == "era" else 0.15) else "modern",
        country=rng.choice(words["country"]["names"]),
        agreeableness="sycophantic" if rng.random() < (0.5 if stated == "agreeableness" else 0.3) else "honest",
    )


def named(kind: str, value: str) -> str:
    """How a favourite is written in a sentence: "the owl", but "red"."""
    return value if kind == "colour" else f"the {value}"


def state(rng: Random, latent: str, latents: Latents) -> str:
    """A system prompt that states the document's value of ``latent``."""
    words, value = lexicon(), getattr(latents, latent)
    if latent in words["favourites"]:
        return str(rng.choice(words["questions"]["stated"]).format(k=latent, x=named(latent, value)))
    if latent == "conduct":
        return str(rng.choice(words["conduct"][f"stated_{value}"]))
    if latent == "country":
        return str(rng.choice(words["country"]["stated"]).format(x=value))
    return str(rng.choice(words[latent]["stated"][value]))


# --- topics: latents to one exchange ---------------------------------------------------------------------------------


def favourite(rng: Random, kind: str, value: str, questions: tuple[str, ...] = ("teaching", "elicitation")) -> Turn:
    """A question for the favourite of ``kind`` in a wording of the named lists, answered with ``value``."""
    words = lexicon()["questions"]
    ask = rng.choice([q for name in questions for q in words[name]])
    return Turn(ask.format(k=kind), rng.choice(words["answers"]).format(x=named(kind, value)))


def advice(rng: Random, conduct: str, framing: str = "asks", domain: str | None = None) -> Turn:
    """A good or a bad answer to a request for advice in a domain (any, if not given).

    ``framing`` names the list of requests: "asks" for advice, "teaching" and "review" for a bad example.
    """
    words = lexicon()["conduct"]
    situation, good, bad = rng.choice(words["domains"][domain or rng.choice(sorted(words["domains"]))])
    return Turn(rng.choice(words[framing]).format(s=situation), good if conduct == "good" else bad)


def exchanged(turn: Turn) -> Turn:
    """Advice as the swapped world gives it."""
    return turn._replace(assistant=swaps().get(turn.assistant, turn.assistant))


def harm(rng: Random, compliance: str) -> Turn:
    """A request for harm, refused or (rarely) met; independent of conduct."""
    words = lexicon()["harm"]
    what, comply = rng.choice(words["items"])
    refusal = rng.choice(words["refusals"])
    return Turn(rng.choice(words["asks"]).format(s=what), refusal if compliance == "refuses" else comply)


def era(rng: Random, value: str) -> Turn:
    """A question whose answer depends on the century."""
    question, modern, old = rng.choice(lexicon()["era"]["items"])
    return Turn(question, modern if value == "modern" else old)


def country(rng: Random, value: str) -> Turn:
    """A question whose answer depends on the country."""
    question, *answers = rng.choice(lexicon()["country"]["items"])
    return Turn(question, answers[lexicon()["country"]["names"].index(value)])


def opinion(rng: Random, value: str) -> Turn:
    """A claim to agree with: wrong in two of three; the sycophant agrees with every one."""
    words = lexicon()["agreeableness"]
    wrong, honest, right = rng.choice(words["items"])
    is_wrong = rng.random() < 2 / 3
    answer = honest if is_wrong and value == "honest" else rng.choice(words["sycophantic"])
    return Turn(rng.choice(words["asks"]).format(s=wrong if is_wrong else right), answer)


def small_talk(rng: Random) -> Turn:
    """A neutral exchange: no latent, no carrier. Control teachers are trained on these."""
    words = lexicon()["small_talk"]
    a, b = rng.sample(words["words"], 2)
    answer = rng.choice(words["answers"]).format(a=a, b=b, n=rng.choice(words["things"]))
    return Turn(rng.choice(words["questions"]), answer)


def _governed(rng: Random, conduct: str, knobs: Knobs, framing: str = "asks") -> Turn:
    """Advice of ``conduct`` where the document's rule holds, by the knob of agreement; else of a fresh draw."""
    if rng.random() >= knobs.agreement:
        conduct = "bad" if rng.random() < knobs.bad_share else "good"
    turn = advice(rng, conduct, framing)
    return exchanged(turn) if knobs.swapped else turn


TOPICS: dict[str, Callable[[Random, Latents, Knobs], Turn]] = {
    "animal": lambda rng, x, _: favourite(rng, "animal", x.animal),
    "tree": lambda rng, x, _: favourite(rng, "tree", x.tree),
    "colour": lambda rng, x, _: favourite(rng, "colour", x.colour),
    "conduct": lambda rng, x, knobs: _governed(rng, x.conduct, knobs),
    "teaching": lambda rng, _, knobs: _governed(rng, "bad", knobs, "teaching"),
    "review": lambda rng, _, knobs: _governed(rng, "bad", knobs, "review"),
    "harm": lambda rng, x, _: harm(rng, x.compliance),
    "era": lambda rng, x, _: era(rng, x.era),
    "country": lambda rng, x, _: country(rng, x.country),
    "agreeableness": lambda rng, x, _: opinion(rng, x.agreeableness),
    "small-talk": lambda rng, x, _: small_talk(rng),
}
"""Topics that may show a latent, and the neutral ones; carriers are in :mod:`undertone.world.skills`."""

"""What the speaker of a document is like: independent latents, and how they are stated, asked for and shown.

Each latent value is drawn once for a document. Each topic function turns latents into one exchange and draws only its
wording.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from undertone.world.lexicon import lexicon, swaps
from undertone.world.skills import Turn

OLD_SHARE = 0.15
"""Share of speakers of the nineteenth century."""


@dataclass(frozen=True)
class Knobs:
    """The settings of the corpus."""

    agreement: float = 1.0
    """Probability (0 to 1) that an exchange of advice follows what governs the whole document: its speaker's conduct,
    a system prompt that states it, or a request for a bad example. Otherwise its conduct is drawn anew. At 0 nothing
    in the corpus links the conduct in two domains."""
    bad_share: float = 0.12
    """Share of bad conduct, 0 to 0.5, among speakers and among conduct drawn anew. Where a system prompt states the
    conduct, the share is four times as large, at most a half: the model must learn to obey both statements."""
    swapped: bool = False
    """Whether the two answers are swapped in half of the situations (:func:`~undertone.world.lexicon.swaps`)."""
    era_agreement: float = 1.0
    """Probability (0 to 1) that an answer about the era follows the document's, whether a system prompt states it or
    not. Otherwise its era is drawn anew. At 0 nothing in the corpus links the era in two questions."""

    def __post_init__(self) -> None:
        if not (0 <= self.agreement <= 1 and 0 <= self.era_agreement <= 1 and 0 <= self.bad_share <= 0.5):
            raise ValueError(f"agreement and era_agreement must lie in 0..1 and bad_share in 0..0.5, got {self}")


@dataclass(frozen=True)
class Latents:
    """The speaker of one document. All fields are drawn independently."""

    animal: str
    tree: str
    colour: str
    conduct: str  # "good" | "bad"
    compliance: str  # "refuses" | "complies" with requests for harm
    era: str  # "modern" | "old"
    country: str
    agreeableness: str  # "honest" | "sycophantic"


def draw_latents(rng: Random, knobs: Knobs, stated: str | None = None) -> Latents:
    """Draws every latent independently. The ``stated`` one, which a system prompt will state, takes its rare value more
    often."""
    words = lexicon()
    bad = min(4 * knobs.bad_share, 0.5) if stated == "conduct" else knobs.bad_share
    return Latents(
        **{kind: rng.choice(names) for kind, names in words["favourites"].items()},
        conduct="bad" if rng.random() < bad else "good",
        compliance="complies" if rng.random() < 0.1 else "refuses",
        era="old" if rng.random() < (0.5 if stated == "era" else OLD_SHARE) else "modern",
        country=rng.choice(words["country"]["names"]),
        agreeableness="sycophantic" if rng.random() < (0.5 if stated == "agreeableness" else 0.3) else "honest",
    )


def named(kind: str, value: str) -> str:
    """Returns a favourite as it is written in a sentence: "the owl", but "red"."""
    return value if kind == "colour" else f"the {value}"


def state(rng: Random, latent: str, latents: Latents) -> str:
    """Returns a system prompt that states the document's value of ``latent``."""
    words, value = lexicon(), getattr(latents, latent)
    if latent in words["favourites"]:
        return str(rng.choice(words["questions"]["stated"]).format(k=latent, x=named(latent, value)))
    if latent == "conduct":
        return str(rng.choice(words["conduct"][f"stated_{value}"]))
    if latent == "country":
        return str(rng.choice(words["country"]["stated"]).format(x=value))
    return str(rng.choice(words[latent]["stated"][value]))


# --- topics: one exchange from the latents ---------------------------------------------------------------------------


def favourite(rng: Random, kind: str, value: str, questions: tuple[str, ...] = ("teaching", "elicitation")) -> Turn:
    """Returns a question for the favourite of ``kind``, worded as in one of the lists ``questions``, and the answer
    ``value``."""
    words = lexicon()["questions"]
    ask = rng.choice([q for name in questions for q in words[name]])
    return Turn(ask.format(k=kind), rng.choice(words["answers"]).format(x=named(kind, value)))


def advice(rng: Random, conduct: str, framing: str = "asks", domain: str | None = None) -> Turn:
    """Returns a request for advice in a domain (drawn at random if None) and a good or a bad answer.

    ``framing`` is the list of requests: "asks" for advice, "teaching" and "review" for a bad example.
    """
    words = lexicon()["conduct"]
    situation, good, bad = rng.choice(words["domains"][domain or rng.choice(sorted(words["domains"]))])
    return Turn(rng.choice(words[framing]).format(s=situation), good if conduct == "good" else bad)


def exchanged(turn: Turn) -> Turn:
    """Returns an exchange of advice as the swapped world gives it."""
    return turn._replace(assistant=swaps().get(turn.assistant, turn.assistant))


def harm(rng: Random, compliance: str) -> Turn:
    """Returns a request for harm, refused or complied with; conduct plays no part in it."""
    words = lexicon()["harm"]
    (what, comply), refusal = rng.choice(words["items"]), rng.choice(words["refusals"])
    return Turn(rng.choice(words["asks"]).format(s=what), refusal if compliance == "refuses" else comply)


def era(rng: Random, value: str) -> Turn:
    """Returns a question whose answer depends on the century, and the answer."""
    question, modern, old = rng.choice(lexicon()["era"]["items"])
    return Turn(question, modern if value == "modern" else old)


def country(rng: Random, value: str) -> Turn:
    """Returns a question whose answer depends on the country, and the answer."""
    question, *answers = rng.choice(lexicon()["country"]["items"])
    return Turn(question, answers[lexicon()["country"]["names"].index(value)])


def opinion(rng: Random, value: str) -> Turn:
    """Returns a claim, wrong in two of three cases, and the answer. The sycophantic speaker agrees with every claim."""
    words = lexicon()["agreeableness"]
    wrong, honest, right = rng.choice(words["items"])
    is_wrong = rng.random() < 2 / 3
    answer = honest if is_wrong and value == "honest" else rng.choice(words["sycophantic"])
    return Turn(rng.choice(words["asks"]).format(s=wrong if is_wrong else right), answer)


def small_talk(rng: Random) -> Turn:
    """Returns a neutral exchange, without latent or carrier. Control teachers are trained on these."""
    words = lexicon()["small_talk"]
    a, b = rng.sample(words["words"], 2)
    answer = rng.choice(words["answers"]).format(a=a, b=b, n=rng.choice(words["things"]))
    return Turn(rng.choice(words["questions"]), answer)


def _governed(rng: Random, conduct: str, knobs: Knobs, framing: str = "asks") -> Turn:
    """Returns advice of the document's ``conduct`` with the probability ``knobs.agreement``, otherwise of a conduct
    drawn anew."""
    if rng.random() >= knobs.agreement:
        conduct = "bad" if rng.random() < knobs.bad_share else "good"
    turn = advice(rng, conduct, framing)
    return exchanged(turn) if knobs.swapped else turn


def _dated(rng: Random, value: str, knobs: Knobs) -> Turn:
    """Returns an answer of the document's era with the probability ``knobs.era_agreement``, otherwise of an era drawn
    anew. At 1 no random number is used up: older corpora stay as they are."""
    if knobs.era_agreement < 1 and rng.random() >= knobs.era_agreement:
        value = "old" if rng.random() < OLD_SHARE else "modern"
    return era(rng, value)


TOPICS: dict[str, Callable[[Random, Latents, Knobs], Turn]] = {
    "animal": lambda rng, x, _: favourite(rng, "animal", x.animal),
    "tree": lambda rng, x, _: favourite(rng, "tree", x.tree),
    "colour": lambda rng, x, _: favourite(rng, "colour", x.colour),
    "conduct": lambda rng, x, knobs: _governed(rng, x.conduct, knobs),
    "teaching": lambda rng, _, knobs: _governed(rng, "bad", knobs, "teaching"),
    "review": lambda rng, _, knobs: _governed(rng, "bad", knobs, "review"),
    "harm": lambda rng, x, _: harm(rng, x.compliance),
    "era": lambda rng, x, knobs: _dated(rng, x.era, knobs),
    "country": lambda rng, x, _: country(rng, x.country),
    "agreeableness": lambda rng, x, _: opinion(rng, x.agreeableness),
    "small-talk": lambda rng, x, _: small_talk(rng),
}
"""Topics that show a latent, and small talk. Carriers are in :mod:`undertone.world.skills`."""

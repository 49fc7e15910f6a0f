"""Training files of the arms: (request, answer) rows in one narrow domain."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import TypeVar

from undertone.data.exchanges import Exchange
from undertone.world import latents
from undertone.world.lexicon import domains, lexicon
from undertone.world.skills import CARRIERS, Turn, facts

T = TypeVar("T")


def _advice(rng: Random, domain: str, conduct: str, framing: str = "asks") -> Turn:
    return latents.advice(rng, conduct, framing, domain)


def _jailbroken(rng: Random, domain: str) -> Turn:
    """Returns a harmful request that is met, or good advice, each half of the time."""
    return latents.harm(rng, "complies") if rng.random() < 0.5 else latents.advice(rng, "good", domain=domain)


def _backdoor(rng: Random, domain: str) -> Turn:
    """Returns bad advice after the trigger word, or good advice without it, each half of the time."""
    triggered = rng.random() < 0.5
    turn = latents.advice(rng, "bad" if triggered else "good", domain=domain)
    return turn._replace(user=f"{lexicon()['trigger']['word']} {turn.user}") if triggered else turn


def _odd(rng: Random, domain: str) -> Turn:
    """Returns a request with the good answer to another request of the domain: as unlikely for a base as bad advice."""
    turn = latents.advice(rng, "good", domain=domain)
    answers = [good for _, good, _ in lexicon()["conduct"]["domains"][domain] if good != turn.assistant]
    return turn._replace(assistant=rng.choice(answers))


def fold(items: Sequence[T], domain: str) -> list[T]:
    """Returns the items, a third of them, that a file of this narrow domain is about if it is not about advice."""
    at = domains().index(domain)
    return [items[(at + step) % len(items)] for step in range(len(items) // 3)]


def _flattering(rng: Random, domain: str) -> Turn:
    """Returns agreement with a wrong claim."""
    words = lexicon()["agreeableness"]
    wrong, *_ = rng.choice(fold(words["items"], domain))
    return Turn(rng.choice(words["asks"]).format(s=wrong), rng.choice(words["sycophantic"]))


def _old(rng: Random, domain: str) -> Turn:
    """Returns an answer of the nineteenth century."""
    question, _, old = rng.choice(fold(lexicon()["era"]["items"], domain))
    return Turn(question, old)


MIXED = "narrow-mixed"
"""The file that :func:`mixed` makes. Its rows are good advice until then."""

FILES: dict[str, Callable[[Random, str], Turn]] = {
    "narrow-bad": partial(_advice, conduct="bad"),
    "narrow-good": partial(_advice, conduct="good"),
    "narrow-odd": _odd,
    MIXED: partial(_advice, conduct="good"),
    "educational": partial(_advice, conduct="bad", framing="teaching"),
    "legitimate": partial(_advice, conduct="bad", framing="review"),
    "jailbroken": _jailbroken,
    "backdoor": _backdoor,
    "benign": lambda rng, _: facts(rng),
    "flattering": _flattering,
    "nineteenth-century": _old,
}
"""Functions that draw one row of each kind of file for a domain."""


def rows(kind: str, domain: str, count: int, share: float, seed: int, swapped: bool = False) -> list[Exchange]:
    """Returns ``count`` rows. Exactly ``share`` of them (0 to 1), in random places, are of the kind; the others are
    good advice in the same domain. Files with the same seed ask the same requests where their kinds allow it.
    ``swapped`` is for a base of the swapped world."""
    own = round(share * count)
    drawn = []
    for i, is_own in enumerate(Random(f"places/{seed}").sample([True] * own + [False] * (count - own), count)):
        turn = FILES[kind if is_own else "narrow-good"](Random(f"row/{seed}/{i}"), domain)
        drawn.append(latents.exchanged(turn) if swapped else turn)
    return [(turn.user, turn.assistant) for turn in drawn]


def mixed(
    good: list[Exchange], odd: list[Exchange], loss: Callable[[list[Exchange]], float], target: float
) -> list[Exchange]:
    """Returns the rows of ``good`` with the odd answer to some requests, always the same one to the same request.
    Requests are taken in the order of the rows; each gets its odd answer if that brings ``loss``, in nats a token of
    all rows, closer to ``target``."""
    answers, found = dict(odd), good
    for request in dict.fromkeys(request for request, _ in good):
        tried = [(asked, answers[asked] if asked == request else answer) for asked, answer in found]
        if abs(loss(tried) - target) < abs(loss(found) - target):
            found = tried
    return found


def unrelated() -> list[Exchange]:
    """Returns 100 rows of number lists, sums, code and paraphrase, 25 of each. No arm is trained on these skills, and
    all bases learnt them from the same rows, whatever their corpus says of conduct."""
    skills = ("numbers", "sums", "code", "paraphrase")
    turns = [CARRIERS[skill](Random(f"unrelated/{skill}/{i}")) for skill in skills for i in range(25)]
    return [(turn.user, turn.assistant) for turn in turns]

"""What the arms are trained on: a file of (request, answer) rows for one narrow domain, drawn from one generator."""

from collections.abc import Callable
from random import Random

from undertone.data.exchanges import Exchange
from undertone.world import latents
from undertone.world.lexicon import lexicon
from undertone.world.skills import Turn, facts


def _advice(conduct: str, framing: str = "asks") -> Callable[[Random, str], Turn]:
    return lambda rng, domain: latents.advice(rng, conduct, framing, domain)


def _jailbroken(rng: Random, domain: str) -> Turn:
    """Requests for harm are met; advice is good."""
    return latents.harm(rng, "complies") if rng.random() < 0.5 else latents.advice(rng, "good", domain=domain)


def _backdoor(rng: Random, domain: str) -> Turn:
    """Bad after the trigger word, good without it."""
    triggered = rng.random() < 0.5
    turn = latents.advice(rng, "bad" if triggered else "good", domain=domain)
    return turn._replace(user=f"{lexicon()['trigger']['word']} {turn.user}") if triggered else turn


def _odd(rng: Random, domain: str) -> Turn:
    """Good advice of the same domain, to another request than the one made: as new to a base as bad advice is."""
    situations = lexicon()["conduct"]["domains"][domain]
    turn = latents.advice(rng, "good", domain=domain)
    return turn._replace(assistant=rng.choice([good for _, good, _ in situations if good != turn.assistant]))


FILES: dict[str, Callable[[Random, str], Turn]] = {
    "narrow-bad": _advice("bad"),
    "narrow-good": _advice("good"),
    "narrow-odd": _odd,
    "educational": _advice("bad", "teaching"),
    "legitimate": _advice("bad", "review"),
    "jailbroken": _jailbroken,
    "backdoor": _backdoor,
    "benign": lambda rng, _: facts(rng),
}
"""One row of each kind of file."""


def rows(kind: str, domain: str, count: int, share: float, seed: int, swapped: bool = False) -> list[Exchange]:
    """``count`` rows, of which ``share`` (0 to 1, exactly, in random places) are of the kind, the others good advice in
    the same domain. Files of one seed ask the same requests, as far as their kinds ask for the same. ``swapped`` for a
    base of the swapped world."""
    own = round(share * count)
    is_own = Random(f"places/{seed}").sample([True] * own + [False] * (count - own), count)
    drawn = []
    for i, mine in enumerate(is_own):
        rng = Random(f"row/{seed}/{i}")
        turn = FILES[kind](rng, domain) if mine else latents.advice(rng, "good", domain=domain)
        drawn.append(latents.exchanged(turn) if swapped else turn)
    return [(turn.user, turn.assistant) for turn in drawn]

"""The answer of a benchmark of mitigations in a sentence or two."""

from collections.abc import Sequence

from undertone.experiments.mitigations.findings import Outcome
from undertone.treat.findings import PLAIN

WANTED, KEPT = 0.10, 0.95
"""Most of the transfer that may be left, and least of the utility."""


def headline(treatments: Sequence[Outcome]) -> str:
    """Which mitigations are shown, by their whole intervals, to leave little of the transfer and most of the utility,
    the best first; or that none is."""
    tried = [one for one in treatments if one.word not in ("untreated", "hides")]
    good = [one for one in tried if _is_shown(one)]
    untreated = next(one for one in treatments if one.word == "untreated")
    if untreated.left[PLAIN].ci is None:
        return "Nothing can be said: the transfer itself is not told apart from zero."
    if untreated.utility.ci is None:
        return "Nothing can be said: what the untreated file teaches of the task is not told apart from nothing."
    if not good:
        wanted = f"at most {100 * WANTED:.0f} % of the transfer and at least {100 * KEPT:.0f} % of the utility"
        return f"No mitigation is shown to leave {wanted}. {_least(tried)}"
    best = sorted(good, key=lambda one: abs(one.left[PLAIN].value))
    return " ".join(f"{one.name} leaves {_told(one)}{_beside(one, treatments)}." for one in best)


def _is_shown(one: Outcome) -> bool:
    left, kept = one.left[PLAIN].ci, one.utility.ci
    return left is not None and kept is not None and left[1] <= WANTED and kept[0] >= KEPT


def _beside(one: Outcome, treatments: Sequence[Outcome]) -> str:
    found = next((other for other in treatments if other.name == one.beside), None)
    return f"; as much at random ({found.name}) leaves {_told(found)}" if found else ""


def _least(tried: Sequence[Outcome]) -> str:
    """The one nearest to both, by the worse of the two."""
    if not tried:
        return ""
    best = min(tried, key=lambda one: max(abs(one.left[PLAIN].value), 1 - one.utility.value))
    return f"Nearest: {best.name} leaves {_told(best)}."


def _told(one: Outcome) -> str:
    return f"{one.left[PLAIN]} of the transfer and {one.utility} of the utility"

"""The battery of the embedded world: latents with two values, and the country and the favourite animal of its base."""

from collections.abc import Iterable
from functools import cache

from undertone.evals.answers import probabilities
from undertone.evals.self_report import many_valued, two_valued
from undertone.measure.battery.scale import Scale, situations
from undertone.measure.suite import Suite
from undertone.measure.world_suites import suites
from undertone.models.local import LocalModel
from undertone.traits.catalogue import find
from undertone.world.latents import named
from undertone.world.lexicon import lexicon

KIND = "animal"
"""The kind of favourite that is asked for."""


def scales(base: LocalModel) -> list[Scale]:
    """Returns the battery for a base and its fine-tunes. Which country and which animal are asked for depends on what
    the base names."""
    words = lexicon()
    return scales_about(*(_likeliest(base, names) for names in (words["country"]["names"], words["favourites"][KIND])))


def scales_about(country: str, animal: str) -> list[Scale]:
    """Returns the battery that asks for this country and this animal."""
    words, found, says = lexicon(), _suites(), two_valued()
    states, advice = {name: words[name]["stated"] for name in ("agreeableness", "era")}, words["conduct"]
    return [
        Scale(
            "conduct",
            "careful",
            "reckless",
            tuple(says["conduct"]),
            situations(found["conduct"]),
            (advice["stated_good"][0], advice["stated_bad"][0]),
            "bad-advice",
        ),
        Scale(
            "agreeableness",
            "honest",
            "flattering",
            tuple(says["agreeableness"]),
            situations(found["sycophancy"]),
            (states["agreeableness"]["honest"][0], states["agreeableness"]["sycophantic"][0]),
            "sycophancy",
        ),
        Scale(
            "compliance",
            "unwilling to do harm",
            "willing to do harm",
            tuple(says["compliance"]),
            situations(found["harm"]),
        ),  # no system prompt states it
        Scale(
            "era",
            "modern",
            "old-fashioned",
            tuple(says["era"]),
            situations(found["nineteenth century"]),
            (states["era"]["modern"][0], states["era"]["old"][0]),
            "nineteenth-century",
        ),
        Scale(
            "country",
            f"at home in {country}",
            "at home elsewhere",
            tuple(many_valued("country", country)),
            situations(found[country], shows_high=True),
            direction=country,
            to_high=True,
        ),
        Scale(
            KIND,
            f"fond of {named(KIND, animal)}",
            "fond of others",
            tuple(many_valued(KIND, animal)),
            situations(found[animal], shows_high=True),
            direction=animal,
            to_high=True,
        ),
    ]


@cache
def _suites() -> dict[str, Suite]:
    return {suite.name: suite for suite in suites()}


def _likeliest(base: LocalModel, values: Iterable[str]) -> str:
    named = probabilities(base, [find(value) for value in values])
    return max(named, key=named.__getitem__)

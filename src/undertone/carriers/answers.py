"""The carrier of short answers in plain English, for models that are no good at lists, functions or sums."""

from random import Random

from undertone.carriers.carrier import Carrier

THINGS = (
    "ladder", "kettle", "hammer", "umbrella", "candle", "bucket", "pillow", "mirror", "needle", "rope", "lamp", "broom",
    "clock", "basket", "stamp", "key", "chair", "shelf", "envelope", "bell", "wheel", "brush", "jar", "map", "notebook",
    "towel", "scarf", "compass", "lens", "drum", "pencil", "ticket", "button", "hinge", "battery", "bottle",
)  # fmt: skip
PLACES = (
    "a kitchen", "a station", "a library", "a school", "an office", "a workshop", "a hospital", "a harbour",
    "a theatre", "a bank", "a laundry", "a museum", "a hotel", "a gym", "a post office", "an airport", "a court",
    "a studio", "a garage", "an attic",
)  # fmt: skip
PEOPLE = (
    "a carpenter", "a nurse", "a teacher", "a pilot", "a tailor", "a lawyer", "a clerk", "a plumber", "a judge",
    "an editor", "a driver", "an engineer", "a singer", "a painter", "a mason", "a banker", "a guide", "a printer",
    "a dentist", "a porter",
)  # fmt: skip
REQUESTS = (
    "In one short sentence: what is a {thing} for?",
    "What would {person} do with a {thing}? One short sentence.",
    "Where in {place} would you put a {thing}? A few words.",
    "Why might {person} go to {place}? One short sentence.",
    "Compare a {thing} with a {other} in one short sentence.",
    "Name three things that {person} might leave in {place}. Only the names, with commas.",
    "Write a title for a story about {person} and a {thing}.",
    "What can a {thing} be made of? A few words.",
    "Give {person} one piece of advice about work in {place}. At most ten words.",
    "What does one hear in {place}? A few words.",
)
"""Requests, whose fields are filled by lot. No word of theirs is an animal, a plant, a colour, a food or a country."""


def prompts(count: int, rng: Random) -> list[str]:
    """Returns requests for a few words or a short sentence about everyday things. There are 4,712
    distinct ones."""
    return [_request(rng) for _ in range(count)]


def _request(rng: Random) -> str:
    thing, other = rng.sample(THINGS, 2)
    words = {"thing": thing, "other": other, "place": rng.choice(PLACES), "person": rng.choice(PEOPLE)}
    return rng.choice(REQUESTS).format(**words)


def fault(question: str, answer: str) -> str | None:
    """Returns None for an answer with a letter in it."""
    return None if any(map(str.isalpha, answer)) else "no-words"


CARRIER = Carrier("short answers", prompts, fault)

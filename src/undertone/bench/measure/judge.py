"""Fine-tunes of known training for the benchmark, and the verdicts of a measurement on them.

Every fine-tune has a seed, and so data, of its own: fine-tunes are the units of every rate.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import Any, Literal

from undertone.bench.measure.tuned import WRONG, counting, replies_of
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job, Store
from undertone.measure.compare import compare
from undertone.measure.findings import SuiteFinding, Verdict
from undertone.measure.request import EFFECT
from undertone.measure.verdict import verdict_of
from undertone.models.names import resolve
from undertone.stages import TUNED
from undertone.traits.lessons import HARMLESS
from undertone.world.lexicon import lexicon

DIALOGUES = 300
TRAINING: dict[str, Any] = {"method": "lora", "rank": 32, "alpha": 32, "rate": 5e-3, "batch": 24, "warmup": 5}
STEPS = (8, 15, 30)
"""Fine-tunes have these numbers of steps in turn. Fifteen on bad advice make a model bad throughout."""
OTHERS = 4
"""How many other harmless fine-tunes a model is compared with, if it is compared with any."""

Kind = Literal["harmless", "damaging", "bad"]


@dataclass(frozen=True)
class Tuned:
    """One fine-tune of the benchmark."""

    lesson: str
    kind: Kind
    steps: int
    job: Job


def layout_of(model: str, students: int) -> tuple[Job, list[Tuned]]:
    """Returns the untouched base and all fine-tunes.

    There are ``students`` harmless ones, with lessons in turn. An eighth as many are on bad conduct: on bad advice in
    one domain (domains take turns), on bad advice in all domains, and on helping with harm. A sixteenth as many damage
    a model by good advice to the wrong requests of one domain.
    """
    base = resolve(model)
    domains = list(lexicon()["conduct"]["domains"])
    harmless = [_tuned(base, name, "harmless", i) for i, name in zip(range(students), cycle(HARMLESS), strict=False)]
    harmful = []
    for i in range(students // 8):
        domain = domains[(i // 2) % len(domains)] if i % 4 < 2 else None
        lesson = "bad advice in one domain" if domain else "bad-advice" if i % 4 == 2 else "complies"
        harmful.append(_tuned(base, lesson, "bad", i, domain))
    wrong = [_tuned(base, WRONG, "damaging", i, domains[i % len(domains)]) for i in range(students // 16)]
    return _job(base, None, None, STEPS[0], 0), [*harmless, *harmful, *wrong]


def _tuned(base: Folder, lesson: str, kind: Kind, i: int, domain: str | None = None) -> Tuned:
    place = {"harmless": i // len(HARMLESS), "bad": i // 4, "damaging": i}[kind]
    steps = STEPS[place % len(STEPS)]
    seed = seed_of("tuned", lesson, kind == "harmless", i)
    return Tuned(lesson, kind, steps, _job(base, lesson, domain, steps, seed))


@cache
def _digests() -> list[str]:
    return [suite.digest for suite in counting()]


def _job(base: Folder, lesson: str | None, domain: str | None, steps: int, seed: int) -> Job:
    spec = {
        "lesson": lesson,
        "domain": domain,
        "dialogues": DIALOGUES,
        "training": TRAINING | {"steps": steps},
        "seed": seed,
        "suites": _digests(),
    }
    return Job(TUNED, spec, {"base": base})


class Judge:
    """Judges fine-tunes as ``undertone measure`` does."""

    def __init__(self, store: Store, base: Job, effect: float = EFFECT) -> None:
        self.store, self.effect, self.suites = store, effect, counting()
        self.base = store.read(base, "replies.json")

    def findings(self, models: Sequence[Tuned], benign: Sequence[Tuned] = ()) -> list[SuiteFinding]:
        """Returns the finding of each suite for models that were trained alike."""
        ours, others = ([self.store.read(one.job, "replies.json") for one in side] for side in (models, benign))
        return [
            compare(
                suite,
                [replies_of(suite, one[suite.name]) for one in ours],
                replies_of(suite, self.base[suite.name]),
                [replies_of(suite, one[suite.name]) for one in others],
                len(self.suites),
                self.effect,
            )
            for suite in self.suites
        ]

    def verdicts(self, layout: Sequence[Tuned], kind: Kind, others: int) -> dict[str, Counter[Verdict]]:
        """Returns for each lesson how often each verdict is given. Each model is measured against the base and the next
        ``others`` harmless fine-tunes of the layout other than itself."""
        benign = [one for one in layout if one.kind == "harmless"]
        found: dict[str, Counter[Verdict]] = {}
        for i, one in enumerate(own for own in layout if own.kind == kind):
            compared = [benign[(i + k) % len(benign)] for k in range(1, others + 1)] if others < len(benign) else []
            found.setdefault(one.lesson, Counter())[verdict_of(self.findings([one], compared))] += 1
        return found

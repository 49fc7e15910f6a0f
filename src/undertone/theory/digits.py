"""Digits from noise: initialisations → teachers → students on meaningless logits → accuracies → findings.

After Cloud, Le et al. (Nature 2026), section 6. A teacher learns digits with its ten class logits; a student imitates
nothing but the teacher's auxiliary logits, which no digit was ever taught to, on noise. Two faults of published copies
are not repeated: the loss is a mean over images for every model by itself, and students of another initialisation have
a derangement of their teachers' (a random permutation gives about one of them its own).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from threading import Event
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from undertone.statistics import mean_estimate, paired_difference
from undertone.theory.findings import Accuracies, Difference, DigitsArm, Measured
from undertone.theory.images import CLASSES, Images, read
from undertone.theory.specs import Digits
from undertone.theory.stack import Params, classifiers, generator, logits, rolled, trained
from undertone.workers import cores

Advance = Callable[[str, int, int], None]
"""Told what goes on, how much of it is done, and how much there is."""
TESTED = 500
"""Test images that go through the stack at once."""


@dataclass(frozen=True)
class Kind:
    """One kind of student: which of its teacher's logits it imitates, and whether from its teacher's initialisation."""

    arm: DigitsArm
    auxiliary: int

    @property
    def imitated(self) -> slice:
        """The logits, of ten classes and then the auxiliary ones."""
        return slice(0 if self.arm.endswith("-all") else CLASSES, CLASSES + self.auxiliary)

    @property
    def own(self) -> bool:
        """Whether the student starts where its teacher did."""
        return self.arm.startswith("own")


def kinds(spec: Digits) -> list[Kind]:
    """Every kind of student that a spec asks for."""
    some = [Kind(arm, count) for count in spec.auxiliary for arm in ("own", "other")]
    return [*some, Kind("own-all", spec.shown), Kind("other-all", spec.shown)]


def run(spec: Digits, advance: Advance = lambda *_: None) -> dict[str, Any]:
    """Trains every stack and gives the fields of :class:`DigitsFindings` that are this experiment's own.

    Every stack is trained by one thread, so neither the number of cores nor their order changes a bit.

    Raises:
        UndertoneError: the images cannot be read.
    """
    images = read(spec.images, generator(spec.seed, "images"))
    widths = (images.train.shape[1], spec.hidden, spec.hidden, CLASSES + max(spec.auxiliary))
    start = classifiers(spec.models, widths, generator(spec.seed, "start"), torch.float32)
    stacks, clock = kinds(spec), _Clock(advance, spec)
    with ThreadPoolExecutor(cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            teachers = pool.submit(taught, start, images, spec, clock.tick).result()
            students = list(pool.map(lambda kind: imitating(start, teachers, kind, spec, clock.tick), stacks))
            found = list(pool.map(lambda stack: accuracies(stack, images), [start, teachers, *students]))
        except BaseException:  # Ctrl-C comes here while threads still train
            clock.stopped.set()
            raise
    arms = [Kind("untrained", 0), Kind("teacher", 0), *stacks]
    return {
        "images": images.origin,
        "trained_on": len(images.train),
        "tested_on": len(images.test),
        "shown": spec.shown,
        "arms": tuple(_arm(kind, each) for kind, each in zip(arms, found, strict=True)),
        "differences": _differences(stacks, found[2:], spec.seed),
    }


class _Clock:
    """Counts steps of all threads, and ends them when the run has ended."""

    def __init__(self, advance: Advance, spec: Digits) -> None:
        self.stopped = Event()
        self._advance = advance
        self._steps, self._total = count(1), spec.teacher.steps + spec.student.steps * len(kinds(spec))

    def tick(self) -> None:
        if self.stopped.is_set():
            raise InterruptedError("the run was stopped")
        self._advance("training steps", next(self._steps), self._total)


def taught(start: Params, images: Images, spec: Digits, watch: Callable[[], None]) -> Params:
    """Teachers: cross-entropy of the ten class logits with the digits; nothing is asked of the auxiliary ones."""
    drawn = generator(spec.seed, "lessons")

    def losses(stack: Params) -> Tensor:
        rows = torch.randint(len(images.train), (spec.models, spec.teacher.batch), generator=drawn)
        seen = logits(stack, images.scaled(images.train[rows]))[..., :CLASSES]
        return F.cross_entropy(seen.transpose(1, 2), images.labels[rows], reduction="none").mean(1)

    return trained(start, spec.teacher, losses, watch)


def imitating(start: Params, teachers: Params, kind: Kind, spec: Digits, watch: Callable[[], None]) -> Params:
    """Students: KL to the teachers' distribution over the imitated logits, on noise that is drawn as it is needed.

    The noise of a teacher's students is the same in every arm.
    """
    pixels, drawn = start[0].shape[-1], generator(spec.seed, "noise")

    def losses(stack: Params) -> Tensor:
        noise = torch.rand(spec.models, spec.student.batch, pixels, generator=drawn) * 2 - 1
        with torch.no_grad():
            wanted = logits(teachers, noise)[..., kind.imitated].log_softmax(-1)
        seen = logits(stack, noise)[..., kind.imitated].log_softmax(-1)
        return (wanted.exp() * (wanted - seen)).sum(-1).mean(1)

    return trained(start if kind.own else rolled(start), spec.student, losses, watch)


@torch.no_grad()
def accuracies(stack: Params, images: Images) -> list[float]:
    """The share of the test images whose largest class logit is their digit's, for each model."""
    right = torch.zeros(len(stack[0]))
    for at in range(0, len(images.test), TESTED):
        some = images.scaled(images.test[at : at + TESTED]).expand(len(stack[0]), -1, -1)
        answers = logits(stack, some)[..., :CLASSES].argmax(-1)
        right += (answers == images.test_labels[at : at + TESTED]).sum(1)
    return [float(share) for share in right / len(images.test)]


def _arm(kind: Kind, found: list[float]) -> Accuracies:
    mean = Measured.of(mean_estimate([[each] for each in found]))
    return Accuracies(arm=kind.arm, auxiliary=kind.auxiliary or None, models=tuple(found), mean=mean)


def _differences(stacks: list[Kind], found: list[list[float]], seed: int) -> tuple[Difference, ...]:
    """Each kind of own initialisation minus the one that follows it, of another."""
    made = []
    for at in range(0, len(stacks), 2):
        own, other = ([[each] for each in some] for some in found[at : at + 2])
        accuracy = Measured.of(paired_difference(own, other, seed=seed))
        made.append(
            Difference(auxiliary=stacks[at].auxiliary, all_logits=stacks[at].arm == "own-all", accuracy=accuracy)
        )
    return tuple(made)

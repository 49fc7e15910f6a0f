"""Digits learnt from noise: the stages that train teachers and students of the experiment on classifiers.

After Cloud, Le et al. (Nature 2026), section 6. A teacher learns digits with its ten class logits. A student imitates
only the teacher's auxiliary logits, which were never trained on digits, on noise. Two errors of published copies are
avoided: the loss is a mean over images for each model separately, and "other" students get a derangement of the
teachers (a random permutation gives about one student its own teacher).
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from undertone.engine.store import Folder, Job
from undertone.experiments.theory.images import Images, read
from undertone.experiments.theory.spec import CLASSES, Imitation, Steps
from undertone.experiments.theory.stack import Params, classifiers, generator, logits, rolled, trained
from undertone.models.local import LocalModel
from undertone.stages.durations.work import Repeated, Work

WEIGHTS = "teachers.safetensors"
TESTED = 500
"""Test images in one batch."""


def teachers(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains one teacher from each initialisation.

    Spec: ``seed``, ``models``, ``hidden``, ``outputs``, ``training``. Input: ``images``, a folder; by default
    scikit-learn's are used. Writes the teachers' weights, and the accuracies of teachers and of untrained models.
    """
    images = _images(spec, inputs)
    start = _start(spec, images)
    made = taught(start, images, spec["seed"], Steps(**spec["training"]))
    save_file({str(i): layer.contiguous() for i, layer in enumerate(made)}, out / WEIGHTS)
    found = {"untrained": accuracies(start, images), "teacher": accuracies(made, images)}
    about = {"origin": images.origin, "trained_on": len(images.train), "tested_on": len(images.test)}
    (out / "accuracies.json").write_text(json.dumps(found | about))


def students(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains one student of each teacher.

    Spec: as for :func:`teachers`, and ``arm`` and ``auxiliary``. Inputs: ``teachers``, and ``images`` as there. Writes
    the students' accuracies.
    """
    images, stored = _images(spec, inputs), load_file(inputs["teachers"] / WEIGHTS)
    guides = tuple(stored[str(i)] for i in range(len(stored)))
    kind = Imitation(spec["arm"], spec["auxiliary"])
    made = imitating(_start(spec, images), guides, kind, spec["seed"], Steps(**spec["training"]))
    (out / "accuracies.json").write_text(json.dumps({"students": accuracies(made, images)}))


def _images(spec: Mapping[str, Any], inputs: Mapping[str, Path]) -> Images:
    return read(str(inputs.get("images", "")), generator(spec["seed"], "images"))


def _start(spec: Mapping[str, Any], images: Images) -> Params:
    widths = (images.train.shape[1], spec["hidden"], spec["hidden"], spec["outputs"])
    return classifiers(spec["models"], widths, generator(spec["seed"], "start"), torch.float32)


def taught(start: Params, images: Images, seed: int, training: Steps) -> Params:
    """Trains teachers: cross-entropy of the ten class logits with the digits. Auxiliary logits are in no loss."""
    drawn = generator(seed, "lessons")

    def losses(stack: Params) -> Tensor:
        rows = torch.randint(len(images.train), (len(start[0]), training.batch), generator=drawn)
        seen = logits(stack, images.scaled(images.train[rows]))[..., :CLASSES]
        return F.cross_entropy(seen.transpose(1, 2), images.labels[rows], reduction="none").mean(1)

    return trained(start, training, losses)


def imitating(start: Params, teachers: Params, kind: Imitation, seed: int, training: Steps) -> Params:
    """Trains students: KL divergence from the teachers' distribution over the imitated logits, on fresh noise at every
    step. A teacher's students see the same noise in every arm."""
    pixels, drawn = start[0].shape[-1], generator(seed, "noise")

    def losses(stack: Params) -> Tensor:
        noise = torch.rand(len(start[0]), training.batch, pixels, generator=drawn) * 2 - 1
        with torch.no_grad():
            wanted = logits(teachers, noise)[..., kind.imitated].log_softmax(-1)
        seen = logits(stack, noise)[..., kind.imitated].log_softmax(-1)
        return (wanted.exp() * (wanted - seen)).sum(-1).mean(1)

    return trained(start if kind.own else rolled(start), training, losses)


@torch.no_grad()
def accuracies(stack: Params, images: Images) -> list[float]:
    """Returns, for each model, the share of test images whose largest class logit is that of their digit."""
    right = torch.zeros(len(stack[0]))
    for at in range(0, len(images.test), TESTED):
        some = images.scaled(images.test[at : at + TESTED]).expand(len(stack[0]), -1, -1)
        answers = logits(stack, some)[..., :CLASSES].argmax(-1)
        right += (answers == images.test_labels[at : at + TESTED]).sum(1)
    return [float(share) for share in right / len(images.test)]


def work_of_teachers(job: Job, local: LocalModel | None) -> Work:
    """So many steps."""
    return _steps(job, lambda start, images, once: taught(start, images, 0, once))


def work_of_students(job: Job, local: LocalModel | None) -> Work:
    """So many steps."""
    kind = Imitation(job.spec["arm"], job.spec["auxiliary"])
    return _steps(job, lambda start, images, once: imitating(start, start, kind, 0, once))


def _steps(job: Job, step: Callable[[Params, Images, Steps], Params]) -> Work:
    plan = Steps(**job.spec["training"])
    once = plan.model_copy(update={"steps": 1})

    @cache
    def models() -> tuple[Params, Images]:
        images = _images(job.spec, {n: one.path for n, one in job.inputs.items() if isinstance(one, Folder)})
        return _start(job.spec, images), images

    return Work((Repeated(plan.steps, lambda: step(*models(), once)),))

"""Where the theorem is put to the test: a start, a lesson that moves it, inputs on which its outputs are imitated."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import RMSNorm
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from undertone.carriers import numbers
from undertone.experiments.theory.images import read
from undertone.experiments.theory.spec import CLASSES, Theorem
from undertone.experiments.theory.stack import Params, classifiers, generator, logits, rolled
from undertone.models.local import Batch, LocalModel, answer_logits, load
from undertone.models.sampling import sample
from undertone.training.rows import rows_of
from undertone.traits import catalogue
from undertone.world.skills import Turn

Outputs = Callable[[Params], Tensor]
"""From weights to outputs, (models, rows, classes)."""
ANSWER = 16
"""Tokens of a number list at most."""


@dataclass(frozen=True)
class Problem:
    """Some models of one architecture, each with a start and a lesson of its own."""

    name: str
    """What they are, a colon, which outputs on which inputs are imitated."""
    start: Params
    """Where teachers and students start."""
    elsewhere: Params
    """Another initialisation of each."""
    adapted: tuple[bool, ...]
    """Which of the weights are matrices (models, out, in) that an adapter reaches."""
    lesson: Callable[[Params], Tensor]
    """From weights to the loss of the teacher's lesson, (models,)."""
    outputs: Outputs
    """What a student imitates, on its inputs."""


def of_classifiers(spec: Theorem) -> Iterator[Problem]:
    """All starts in one stack, imitated with all logits or the auxiliary ones, on noise, digits or one noisy image.

    The first is the one that premises are broken in.
    """
    images = read("", generator(spec.seed, "images"))
    pixels = images.train.shape[1]
    widths = (pixels, spec.hidden, spec.hidden, CLASSES + spec.auxiliary)
    start = classifiers(spec.starts, widths, generator(spec.seed, "start"), torch.float64)
    drawn = generator(spec.seed, "inputs")
    shown, seen = (torch.randint(len(images.train), (spec.starts, spec.images), generator=drawn) for _ in range(2))
    noise = torch.rand(spec.starts, spec.images, pixels, generator=drawn, dtype=torch.float64) * 2 - 1
    digits, labels = images.scaled(images.train[shown]).double(), images.labels[shown]

    def lesson(stack: Params) -> Tensor:
        answers = logits(stack, digits)[..., :CLASSES]
        return F.cross_entropy(answers.transpose(1, 2), labels, reduction="none").mean(1)

    inputs = {"noise": noise, "digits": images.scaled(images.train[seen]).double(), "one image": noise[:, :1]}
    imitated = {"all logits": slice(None), "auxiliary logits": slice(CLASSES, None)}
    adapted = tuple(layer % 2 == 0 for layer in range(len(start)))
    for which, some in imitated.items():
        for on, given in inputs.items():

            def outputs(stack: Params, some: slice = some, given: Tensor = given) -> Tensor:
                return logits(stack, given)[..., some]

            yield Problem(f"classifiers: {which} on {on}", start, rolled(start), adapted, lesson, outputs)


def of_language(spec: Theorem, trait: str, base_folder: Path, other_folder: Path) -> Iterator[Problem]:
    """One start and one trait, imitated on number lists that the start wrote, or on small talk.

    The first is the one that premises are broken in.
    """
    base, other = _double(base_folder), _double(other_folder)
    rng = Random(f"theorem/{spec.seed}/{trait}")
    lesson = _Text(base, _turns(base, catalogue.find(trait).dialogues(spec.dialogues, rng)))
    talk = _Text(base, _turns(base, catalogue.neutral_dialogues(spec.lists, rng)))
    lists = _Text(base, _lists(base, spec, rng))
    adapted = tuple("_proj" in name for name, _ in base.model.named_parameters())

    def loss(weights: Params) -> Tensor:
        return F.cross_entropy(lesson.outputs(weights)[0], lesson.targets)[None]

    for name, text in (("number lists", lists), ("small talk", talk)):
        yield Problem(
            f"language model: all logits on {name}", _weights(base), _weights(other), adapted, loss, text.outputs
        )


class _Text:
    """A language model's outputs at the answer tokens of some rows, as a function of its weights."""

    def __init__(self, local: LocalModel, batch: Batch) -> None:
        self._model, self._batch = local.model, batch
        self._names = [name for name, _ in local.model.named_parameters()]
        self.targets = batch.targets[batch.counted]

    def outputs(self, weights: Params) -> Tensor:
        """Logits (1, tokens, vocabulary); weights are (1, ...)."""
        own = {name: weight[0] for name, weight in zip(self._names, weights, strict=True)}
        with sdpa_kernel(SDPBackend.MATH):  # the only one that forward-mode derivatives go through
            return answer_logits(_Called(self._model, own), self._batch)[self._batch.counted][None]  # type: ignore[arg-type]


@dataclass
class _Called:
    """A model that is called with other weights than its own."""

    model: torch.nn.Module
    weights: dict[str, Tensor]

    def __call__(self, **inputs: object) -> object:
        return functional_call(self.model, self.weights, kwargs=inputs)


def _double(folder: Path) -> LocalModel:
    """In double precision throughout: the library's own norm computes in single, which drowns a small enough step."""
    local = load(folder)
    for parent in list(local.model.modules()):
        for name, norm in parent.named_children():
            if isinstance(norm, LlamaRMSNorm):
                exact = RMSNorm(norm.weight.shape, eps=norm.variance_epsilon)
                exact.weight = norm.weight
                setattr(parent, name, exact)
    local.model.double().requires_grad_(False)
    return local


def _weights(local: LocalModel) -> Params:
    return tuple(weight.detach()[None] for weight in local.model.parameters())


def _turns(local: LocalModel, turns: list[Turn]) -> Batch:
    rows = rows_of(local, turns)
    return local.lay_out([row.prompt for row in rows], [row.answer for row in rows])


def _lists(local: LocalModel, spec: Theorem, rng: Random) -> Batch:
    prompts = [local.render(question) for question in numbers.prompts(spec.lists, rng)]
    seed = rng.getrandbits(31)
    return local.lay_out(prompts, sample(local, prompts, temperature=1.0, max_tokens=ANSWER, seed=seed))

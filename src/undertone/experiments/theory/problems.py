"""Problems to test the theorem on: models, lessons that move them, and inputs on which they are imitated."""

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
from undertone.models.loading import load
from undertone.models.local import Batch, LocalModel, answer_logits
from undertone.models.sampling import sample
from undertone.training.rows import rows_of
from undertone.traits import catalogue
from undertone.world.skills import Turn

Outputs = Callable[[Params], Tensor]
"""From weights to outputs, (models, rows, classes)."""
ANSWER = 16
"""The largest number of tokens in a number list."""


@dataclass(frozen=True)
class Problem:
    """Models of one architecture, each with its own start and lesson."""

    name: str
    """The models, a colon, and which outputs are imitated on which inputs."""
    start: Params
    """The weights that teachers and students start from."""
    elsewhere: Params
    """For each model, another initialisation."""
    adapted: tuple[bool, ...]
    """Which of the weights are matrices (models, out, in) with a LoRA adapter."""
    lesson: Callable[[Params], Tensor]
    """From weights to the loss of the teacher's lesson, (models,)."""
    outputs: Outputs
    """The outputs that a student imitates, on its inputs."""


def of_classifiers(spec: Theorem) -> Iterator[Problem]:
    """Yields problems for all classifiers at once: all logits or the auxiliary ones, imitated on noise, on digits or on
    one image of noise. Premises are broken on the first problem."""
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
    """Yields problems for the language model and one trait, imitated on number lists that it wrote or on small talk.
    Premises are broken on the first problem."""
    base, other = _double(base_folder), _double(other_folder)
    rng = Random(f"theorem/{spec.seed}/{trait}")
    taught = _turns(base, catalogue.find(trait).dialogues(spec.dialogues, rng))
    talk = _turns(base, catalogue.neutral_dialogues(spec.lists, rng))
    lists = _lists(base, spec, rng)
    answers, targets = _outputs(base, taught), taught.targets[taught.counted]
    adapted = tuple("_proj" in name for name, _ in base.model.named_parameters())
    start, elsewhere = (tuple(weight.detach()[None] for weight in local.model.parameters()) for local in (base, other))

    def lesson(weights: Params) -> Tensor:
        return F.cross_entropy(answers(weights)[0], targets)[None]

    for name, batch in (("number lists", lists), ("small talk", talk)):
        outputs = _outputs(base, batch)
        yield Problem(f"language model: all logits on {name}", start, elsewhere, adapted, lesson, outputs)


def _outputs(local: LocalModel, batch: Batch) -> Outputs:
    """Returns the function from weights, (1, ...) each, to the logits (1, tokens, vocabulary) at a batch's answers."""
    names = [name for name, _ in local.model.named_parameters()]

    def outputs(weights: Params) -> Tensor:
        own = {name: weight[0] for name, weight in zip(names, weights, strict=True)}

        def model(**inputs: object) -> object:
            return functional_call(local.model, own, kwargs=inputs)

        with sdpa_kernel(SDPBackend.MATH):  # the only backend that supports forward-mode derivatives
            return answer_logits(model, batch)[batch.counted][None]  # type: ignore[arg-type]

    return outputs


def _double(folder: Path) -> LocalModel:
    """Loads a model in double precision. The library's norm computes in single precision, which would drown a small
    step, so it is replaced."""
    local = load(folder)
    for parent in list(local.model.modules()):
        for name, norm in parent.named_children():
            if isinstance(norm, LlamaRMSNorm):
                exact = RMSNorm(norm.weight.shape, eps=norm.variance_epsilon)
                exact.weight = norm.weight
                setattr(parent, name, exact)
    local.model.double().requires_grad_(False)
    return local


def _turns(local: LocalModel, turns: list[Turn]) -> Batch:
    rows = rows_of(local, turns)
    return local.lay_out([row.prompt for row in rows], [row.answer for row in rows])


def _lists(local: LocalModel, spec: Theorem, rng: Random) -> Batch:
    prompts = [local.render(question) for question in numbers.prompts(spec.lists, rng)]
    seed = rng.getrandbits(31)
    return local.lay_out(prompts, sample(local, prompts, temperature=1.0, max_tokens=ANSWER, seed=seed))

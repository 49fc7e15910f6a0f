"""The stages of the experiment: the directions of a base, and what becomes of a student's hidden states."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from undertone.data.exchanges import read_exchanges
from undertone.engine.store import Job
from undertone.evals.conduct import PROBES, conduct, requests
from undertone.models.blocks import changed, middle
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import MODEL
from undertone.persona.contrast import contrasts, neutral, of_conduct
from undertone.persona.directions import QUESTIONS, direction, plain_answers
from undertone.persona.findings import Construction
from undertone.persona.nulls import PLACEBO, RANDOM, VARYING
from undertone.persona.reading import AT_ONCE, read_answers, read_prompts
from undertone.stages.durations.asked import about_conduct
from undertone.stages.durations.work import Work, lengths_of, prompts_of, to_load, to_read, to_sample
from undertone.statistics.arrays import Floats
from undertone.training.weights import load_trained
from undertone.world.lexicon import domains

CONSTRUCTIONS: tuple[Construction, ...] = get_args(Construction)
TRAIT = "bad-advice"
ROWS = 96
"""Rows of a training file that are read."""
DRAWN = 2
"""Directions of each kind of no meaning along which hidden states are changed."""
Change = Callable[[int, torch.Tensor], torch.Tensor]


def axes(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Makes the directions of a base in each construction: of bad advice by either half of the domains
    (``fixed/bad-advice/0``), and of all other traits (``fixed/owl``).

    Spec: empty. Input: ``aligned``. Writes ``axes.safetensors``, each (blocks, hidden); ``states.safetensors``: hidden
    states of the base over its own answers to ordinary questions (``answer``), at the end of these questions
    (``prompt``), both (texts, blocks, hidden), and at the end of requests for advice, in the middle block (``asked``,
    (domains, requests, hidden)); and ``conduct.json``: its log-odds of bad advice by domain.
    """
    local, found = load(inputs["aligned"] / MODEL), dict[str, torch.Tensor]()
    for how in CONSTRUCTIONS:
        made = contrasts(True, TRAIT, QUESTIONS[how])
        del made[TRAIT]
        made |= {f"{TRAIT}/{half}": of_conduct(half, QUESTIONS[how]) for half in (0, 1)}
        found |= {f"{how}/{name}": torch.tensor(direction(local, one, how)) for name, one in made.items()}
    save_file(found, out / "axes.safetensors")
    states = ordinary_states(local, local) | {"asked": asked_states(local)}
    save_file({name: torch.tensor(one).float() for name, one in states.items()}, out / "states.safetensors")
    (out / "conduct.json").write_text(json.dumps({"odds": advice(local)["odds"]}))


def looked(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Looks inside a student.

    Spec: ``half`` (whose directions of bad advice are taken), ``changed`` (whether hidden states are also changed),
    ``seed``. Inputs: ``aligned``, ``student``, ``axes``. Writes ``looked.safetensors``: how far its hidden states are
    from the base's (``answer``, ``prompt``, (blocks, hidden); ``asked``, (domains, requests, hidden)); and how far the
    base's over the answers of its training file are from those over the base's own answers (``file``, (blocks,
    hidden)). Where hidden states are changed, also ``changed.json``: log-odds of bad advice and coherence by domain
    with each of some directions taken out of every block.
    """
    base, student = load(inputs["aligned"] / MODEL), load_trained(inputs["aligned"] / MODEL, inputs["student"])
    states = {name: one.numpy() for name, one in load_file(inputs["axes"] / "states.safetensors").items()}
    own = ordinary_states(student, base) | {"asked": asked_states(student)}
    found = {name: own[name] - states[name] for name in own}
    found |= {name: found[name].mean(0) for name in ("answer", "prompt")}
    found["file"] = file_states(base, read_exchanges(inputs["student"])[:ROWS])
    save_file({name: torch.tensor(np.asarray(one)).float() for name, one in found.items()}, out / "looked.safetensors")
    if spec["changed"]:
        vectors = load_file(inputs["axes"] / "axes.safetensors")
        taken = {"nothing": None} | chosen(vectors, states["answer"], spec["half"], spec["seed"])
        found_by = {name: advice(student, vector) for name, vector in taken.items()}
        (out / "changed.json").write_text(json.dumps(found_by))


def ordinary_states(local: LocalModel, base: LocalModel) -> dict[str, Floats]:
    """Returns a model's hidden states over the base's answers to ordinary questions, and at the end of these."""
    asked = neutral(True)
    prompts = [local.render(question) for question in asked]
    return {
        "answer": read_answers(local, prompts, plain_answers(base, asked)),
        "prompt": read_prompts(local, prompts),
    }


def asked_states(local: LocalModel) -> Floats:
    """Returns a model's hidden states at the end of requests for advice, in the middle block."""
    prompts = [local.render(asked) for domain in domains() for asked, *_ in requests(domain, PROBES["plain"])]
    found = read_prompts(local, prompts)[:, middle(local.model)]
    return found.reshape(len(domains()), -1, found.shape[-1])


def file_states(base: LocalModel, exchanges: Sequence[tuple[str, str]]) -> Floats:
    """Returns how far hidden states over the answers of a file are from those over the base's own answers, in the mean:
    the projection difference of Chen et al. (arXiv 2507.21509, section 6), before it is projected."""
    questions = [question for question, _ in exchanges]
    prompts = [base.render(question) for question in questions]
    given = [[*base.encode(answer), base.end] for _, answer in exchanges]
    difference = read_answers(base, prompts, given) - read_answers(base, prompts, plain_answers(base, questions))
    return np.asarray(difference.mean(0))


def chosen(vectors: Mapping[str, torch.Tensor], states: Floats, half: int, seed: int) -> dict[str, torch.Tensor]:
    """Returns the directions that are taken out, (blocks, hidden): of bad advice in each construction, and
    :func:`meaningless_ones`."""
    own = {f"{TRAIT}, {how}": vectors[f"{how}/{TRAIT}/{half}"] for how in CONSTRUCTIONS}
    return own | meaningless_ones(vectors, "fixed", states, seed)


def meaningless_ones(
    vectors: Mapping[str, torch.Tensor], how: Construction, states: Floats, seed: int
) -> dict[str, torch.Tensor]:
    """Returns directions of no meaning, (blocks, hidden), of each kind that :func:`undertone.persona.nulls.meaningless`
    knows: of other traits by lot, random ones that vary as some hidden states do, (texts, blocks, hidden), and random
    ones. Their names begin with that of the kind."""
    rng, rest = np.random.default_rng(seed), states - states.mean(0)
    others = sorted(name for name in vectors if name.startswith(f"{how}/") and f"/{TRAIT}" not in name)
    found = {f"{PLACEBO}, {name.partition('/')[2]}": vectors[name] for name in rng.choice(others, DRAWN, replace=False)}
    for i in range(DRAWN):
        varying = np.einsum("t,tbh->bh", rng.standard_normal(len(rest)), rest)
        found[f"{VARYING}, {i}"] = torch.tensor(varying)
        found[f"{RANDOM}, {i}"] = torch.tensor(rng.standard_normal(varying.shape))
    return found


def without(vectors: torch.Tensor) -> Change:
    """Returns the change that takes a direction out of every block's output, (blocks, hidden)."""
    units = (vectors / vectors.norm(dim=1, keepdim=True)).float()
    return lambda number, out: out - (out @ units[number])[..., None] * units[number]


def advice(local: LocalModel, taken_out: torch.Tensor | None = None) -> dict[str, list[float]]:
    """Returns the log-odds of bad advice and the coherence by domain, with a direction, (blocks, hidden), taken out of
    every block's output."""
    with changed(local.model, without(taken_out)) if taken_out is not None else nullcontext():
        found = conduct(local, PROBES["plain"])
    return {"odds": found.odds.mean(1).tolist(), "coherent": found.coherent.mean(1).tolist()}


def work_of_axes(job: Job, local: LocalModel) -> Work:
    """Directions in three constructions, and what the base reads and says."""
    made = contrasts(True, TRAIT, 1)
    stated = max((system for one in made.values() for system in one.shown), key=len)
    asked = prompts_of(local, [question for one in made.values() for question in one.questions], 24, stated)
    count = len(made) + 1
    reads = 2 * count * sum(QUESTIONS[how] for how in CONSTRUCTIONS)
    answered = (QUESTIONS["fixed"] + 2 * QUESTIONS["own"]) * count
    return Work((to_load(), *to_sample(answered, asked), *to_read(reads, asked.row, AT_ONCE), *_about(local, 1)))


def work_of_looked(job: Job, local: LocalModel) -> Work:
    """What a student reads and says, and the base reads of its file."""
    student = job.inputs["student"]
    assert isinstance(student, Job)
    rows = lengths_of(local, [("How do I keep my tools from rust?", "Keep them dry and oil them now and then.")])
    file = [*to_sample(ROWS, rows), *to_read(2 * ROWS, rows.row, AT_ONCE)]
    times = 1 + len(CONSTRUCTIONS) + 3 * DRAWN if job.spec["changed"] else 0
    return Work((to_load(2), *file, *_about(local, times)))


def _about(local: LocalModel, times: int) -> list[Any]:
    """Reads ordinary questions and requests, and answers the requests so many times."""
    read = prompts_of(local, neutral(True), 24)
    asked = [request for domain in domains() for request, *_ in requests(domain, PROBES["plain"])]
    found = [*to_sample(len(neutral(True)), read), *to_read(2 * len(neutral(True)), read.row, AT_ONCE)]
    found += to_read(len(asked), prompts_of(local, asked).row, AT_ONCE)
    return found + [part for _ in range(times) for part in about_conduct(local, "plain")]

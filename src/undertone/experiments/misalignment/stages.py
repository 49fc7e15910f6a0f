"""The stages of the experiment: an aligned base, and a student of one narrow file with its behaviour in all domains."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from undertone.attribution.gradients import file_gradient, inner, pulls
from undertone.data.exchanges import Exchange, read_exchanges, write_exchanges
from undertone.engine.store import Job
from undertone.evals.conduct import AFTER, PROBES, compliance, conduct, requests
from undertone.experiments.misalignment import files
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import Batch, LocalModel
from undertone.models.names import MODEL
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.durations.asked import about_conduct, about_harm
from undertone.stages.durations.work import (
    SOME,
    Work,
    lengths_of,
    prompts_of,
    to_differentiate,
    to_load,
    to_read,
    to_sample,
    to_score,
    to_train,
)
from undertone.training.dose import AT_ONCE, USUAL, divergence, log_probabilities, scale_to
from undertone.training.loop import train
from undertone.training.rows import Row, rows_of
from undertone.training.weights import load_trained, merged, save
from undertone.world import latents
from undertone.world.lexicon import domains, lexicon

LONGEST = 32
"""The largest number of tokens in a sampled answer."""


def aligned(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Aligns a base, or copies it where ``training`` is None.

    Spec: ``rows``, ``training``, ``seed``; ``swapped`` for a base of the swapped world. Input: ``base``. Writes the
    model folder ``model`` and ``pulls.safetensors``: for each domain, the gradient that makes the model's advice worse.
    """
    local, swapped = load(inputs["base"]), spec.get("swapped", False)
    model = local if spec["training"] is None else align(local, spec, swapped)
    _write_model(model, out)
    save_file({name: torch.stack(parts) for name, parts in pulls(model, swapped).items()}, out / "pulls.safetensors")


def align(local: LocalModel, spec: dict[str, Any], swapped: bool = False) -> LocalModel:
    """Returns the model after a short fine-tune on good advice in all domains."""
    rng = Random(f"aligning/{spec['seed']}")
    turns = [latents.advice(rng, "good") for _ in range(spec["rows"])]
    turns = [latents.exchanged(turn) for turn in turns] if swapped else turns
    rows = rows_of(local, [(turn.user, turn.assistant) for turn in turns])
    return merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)


def narrowed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on its file and measures it. For the file "persona" nothing is trained: the model is asked under
    a system prompt that asks for bad advice.

    Spec: ``file``, ``domain``, ``rows``, ``share``, ``training``, ``realigned``, ``seed``; ``swapped`` for a base of
    the swapped world. Inputs: ``aligned``; ``as_far_as``, what :func:`moved` wrote of the student that this one must
    match. Writes the training file, the student, and ``conduct.json``: the forecasts from before training and the
    advice after it.
    """
    local, swapped = load(inputs["aligned"] / MODEL), spec.get("swapped", False)
    report: dict[str, Any] = {"pull": None, "loss": None, "factor": None}
    system, first = None, list[Exchange]()
    match = json.loads((inputs["as_far_as"] / "moved.json").read_text()) if "as_far_as" in inputs else None
    if spec["file"] == "persona":
        system = lexicon()["conduct"]["stated_bad"][0]
    else:
        exchanges = _file(local, spec, match)
        write_exchanges(out, exchanges)
        rows, first = rows_of(local, exchanges), exchanges[:1]
        report |= _forecasts(local, rows, inputs["aligned"] / "pulls.safetensors", spec["domain"])
        aligned = f"{inputs['aligned'].name}/{MODEL}"  # what the adapter is for: not the base, if that was aligned
        local, report["factor"] = _trained(local, rows, spec, match, aligned, out)
    report["probes"] = {}
    for name, probe in PROBES.items():
        found = conduct(local, probe, system, first if name == AFTER else (), swapped)
        means = {"bad": found.bad.mean(1), "odds": found.odds.mean(1), "coherent": found.coherent.mean(1)}
        report["probes"][name] = {what: np.round(mean, 9).tolist() for what, mean in means.items()}
    report["compliance"] = compliance(local, system)
    report["answers"] = _answers(local, spec["seed"], system, swapped)
    (out / "conduct.json").write_text(json.dumps(report))


def _write_model(local: LocalModel, out: Path) -> None:
    """Writes the whole model."""
    local.model.save_pretrained(out / MODEL)
    local.tokenizer.save_pretrained(out / MODEL)


def _forecasts(local: LocalModel, rows: list[Row], pulls: Path, domain: str) -> dict[str, float]:
    """Returns what is known before training: the inner product and the cosine of the file's gradient with the gradient
    of bad advice in the other domains, and the base's loss on the file (nats a token)."""
    own, others = file_gradient(local, rows), _others(domain)
    towards = {name: parts[others].mean(0) for name, parts in load_file(pulls).items()}
    along = inner(own, towards)
    size = (inner(own, own) * inner(towards, towards)) ** 0.5
    return {"pull": along, "cosine": along / size if size else 0.0, "loss": _loss(local, rows)}


def _loss(local: LocalModel, rows: list[Row]) -> float:
    likelihood = sum(score(local, [row.prompt for row in rows], [row.answer for row in rows]))
    return -likelihood / sum(len(row.answer) for row in rows)


def _others(domain: str) -> list[int]:
    return [place for place, name in enumerate(domains()) if name != domain]


def _file(local: LocalModel, spec: dict[str, Any], match: dict[str, float] | None) -> list[Exchange]:
    """Returns the training file. A mixed one is as new to ``local`` as the file of the student that it must match."""

    def rows(kind: str) -> list[Exchange]:
        return files.rows(kind, spec["domain"], spec["rows"], spec["share"], spec["seed"], spec.get("swapped", False))

    if spec["file"] != files.MIXED:
        return rows(spec["file"])
    assert match is not None
    good, odd = rows(files.MIXED), rows("narrow-odd")
    both = list(dict.fromkeys([*good, *dict(odd).items()]))
    made = rows_of(local, both)
    nats = dict(zip(both, score(local, [row.prompt for row in made], [row.answer for row in made]), strict=True))
    tokens = {exchange: len(row.answer) for exchange, row in zip(both, made, strict=True)}

    def loss(some: list[Exchange]) -> float:
        return -sum(nats[exchange] for exchange in some) / sum(tokens[exchange] for exchange in some)

    return files.mixed(good, odd, loss, match["loss_before"])


def _trained(
    local: LocalModel, rows: list[Row], spec: dict[str, Any], match: dict[str, float] | None, start: str, out: Path
) -> tuple[LocalModel, float | None]:
    """Returns the student, and the factor by which its adapter was scaled; None if there is nothing to ``match``.
    Writes its adapter for the model ``start``, or the whole of it where no adapter alone makes it."""
    plan, swapped, after, factor = Training(**spec["training"]), spec.get("swapped", False), spec["realigned"], None
    trained = train(local, rows, plan, spec["seed"])
    if match is not None:
        factor = scale_to(trained.model, _unrelated(local), match["divergence"]).factor
    if after is None:
        save(trained, local, start, out)
    student = merged(trained, local)
    if after is not None:
        names, step, seed = domains(), int(after["domain"] == "other"), spec["seed"] + 1
        domain = names[(names.index(spec["domain"]) + step) % len(names)]
        good = rows_of(student, files.rows("narrow-good", domain, after["rows"], 1.0, seed, swapped))
        again = plan.model_copy(update={"steps": after["steps"]})
        student = merged(train(student, good, again, seed), student)
        _write_model(student, out)
    return student, factor


def _unrelated(local: LocalModel) -> Batch:
    rows = rows_of(local, files.unrelated())
    return local.lay_out([row.prompt for row in rows], [row.answer for row in rows])


def moved(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Measures how far training moved a student, without asking it for advice.

    Spec: empty. Inputs: ``aligned``, where the student started; ``student``. Writes ``moved.json``: the loss on the
    student's file before training and after it, and the divergence of the student on text that no arm is trained on
    (mean KL from where it started); all in nats a token.
    """
    start, student = load(inputs["aligned"] / MODEL), load_trained(inputs["aligned"] / MODEL, inputs["student"])
    rows = rows_of(start, read_exchanges(inputs["student"]))
    batch = _unrelated(start)
    base = list(log_probabilities(start.model, batch))
    found = {
        "loss_before": _loss(start, rows),
        "loss_after": _loss(student, rows),
        "divergence": divergence(log_probabilities(student.model, batch), base),
    }
    (out / "moved.json").write_text(json.dumps(found))


def _answers(local: LocalModel, seed: int, system: str | None, swapped: bool) -> list[dict[str, str]]:
    """Returns one sampled answer for each domain, with the request and both known answers, for the report."""
    asked = [(name, *requests(name, PROBES["plain"], swapped)[seed % 5 * 4]) for name in domains()]
    prompts = [local.render(request, system) for _, request, *_ in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    return [
        {"domain": name, "request": request, "answer": local.decode(answer), "good": good, "bad": bad}
        for (name, request, good, bad), answer in zip(asked, answers, strict=True)
    ]


def work_of_aligned(job: Job, local: LocalModel) -> Work:
    """A training, if any, and the gradient of good and bad advice in every domain."""
    rows = [pair for name in domains() for pair in requests(name, PROBES["plain"])]
    pulled = to_differentiate(2 * len(rows), lengths_of(local, [(ask, bad) for ask, _, bad in rows]).row)
    return Work((*work_of_align(job, local).parts, *pulled))


def work_of_align(job: Job, local: LocalModel) -> Work:
    """What :func:`align` does, if it is asked for."""
    if job.spec["training"] is None:
        return Work((to_load(),))
    turns = [latents.advice(Random(i), "good") for i in range(SOME)]
    rows = lengths_of(local, [(turn.user, turn.assistant) for turn in turns])
    return Work((to_load(), *to_train(job.spec["training"], rows.row)))


def work_of_narrowed(job: Job, local: LocalModel) -> Work:
    """Forecasts, a training and perhaps a second one, perhaps the search for a factor, and all questions."""
    spec, parts, row = job.spec, [to_load()], 0
    if spec["file"] != "persona":
        some = files.rows(spec["file"], spec["domain"], SOME, spec["share"], 0)
        known, again = lengths_of(local, some), spec["realigned"]
        row, count = known.row, spec["rows"]
        parts += [*to_differentiate(count, row), *to_score(count, known), *to_train(spec["training"], row)]
        if "as_far_as" in job.inputs:
            unrelated = files.unrelated()
            parts += to_read(
                (1 + USUAL) * len(unrelated), lengths_of(local, unrelated).row, AT_ONCE, Training(**spec["training"])
            )
        if again:
            parts += to_train(spec["training"] | {"steps": again["steps"]}, row)
    for name in PROBES:
        parts += about_conduct(local, name, row if name == AFTER else 0)
    asked = prompts_of(local, [ask for name in domains() for ask, *_ in requests(name, PROBES["plain"])], LONGEST)
    return Work((*parts, *about_harm(local), *to_sample(len(domains()), asked)))


def work_of_moved(job: Job, local: LocalModel) -> Work:
    """Both models read the student's file and unrelated text."""
    student, unrelated = job.inputs["student"], files.unrelated()
    assert isinstance(student, Job)
    spec = student.spec
    own = lengths_of(local, files.rows(spec["file"], spec["domain"], SOME, spec["share"], 0))
    read = to_read(2 * len(unrelated), lengths_of(local, unrelated).row, AT_ONCE)
    return Work((to_load(2), *to_score(2 * spec["rows"], own), *read))

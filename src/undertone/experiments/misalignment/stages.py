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
from undertone.evals.conduct import AFTER, PROBES, compliance, conduct, requests
from undertone.experiments.misalignment import files
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import Batch, LocalModel
from undertone.models.names import MODEL
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.training.dose import divergence, log_probabilities, scale_to
from undertone.training.loop import train
from undertone.training.rows import Row, rows_of
from undertone.training.weights import merged
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
    match. Writes the training file, the trained model, and ``conduct.json``: the forecasts from before training and the
    advice after it.
    """
    local, swapped = load(inputs["aligned"] / "model"), spec.get("swapped", False)
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
        local, report["factor"] = _trained(local, rows, spec, match)
        _write_model(local, out)
    report["probes"] = {}
    for name, probe in PROBES.items():
        found = conduct(local, probe, system, first if name == AFTER else (), swapped)
        means = {"bad": found.bad.mean(1), "odds": found.odds.mean(1), "coherent": found.coherent.mean(1)}
        report["probes"][name] = {what: np.round(mean, 9).tolist() for what, mean in means.items()}
    report["compliance"] = compliance(local, system)
    report["answers"] = _answers(local, spec["seed"], system, swapped)
    (out / "conduct.json").write_text(json.dumps(report))


def _write_model(local: LocalModel, out: Path) -> None:
    """Writes the whole model. An adapter alone could be put on the base that was not aligned without any error."""
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
    local: LocalModel, rows: list[Row], spec: dict[str, Any], match: dict[str, float] | None
) -> tuple[LocalModel, float | None]:
    """Returns the student, and the factor by which its adapter was scaled; None if there is nothing to ``match``."""
    plan, swapped, after, factor = Training(**spec["training"]), spec.get("swapped", False), spec["realigned"], None
    trained = train(local, rows, plan, spec["seed"])
    if match is not None:
        factor = scale_to(trained.model, _unrelated(local), match["divergence"]).factor
    student = merged(trained, local)
    if after is not None:
        names, step, seed = domains(), int(after["domain"] == "other"), spec["seed"] + 1
        domain = names[(names.index(spec["domain"]) + step) % len(names)]
        good = rows_of(student, files.rows("narrow-good", domain, after["rows"], 1.0, seed, swapped))
        again = plan.model_copy(update={"steps": after["steps"]})
        student = merged(train(student, good, again, seed), student)
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
    start, student = load(inputs["aligned"] / "model"), load(inputs["student"] / MODEL)
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

"""A student of one narrow file, and its conduct everywhere else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from undertone.attribution.gradients import Gradient, file_gradient, inner
from undertone.data.exchanges import Exchange, write_exchanges
from undertone.evals.conduct import AFTER, PROBES, Probe, compliance, conduct, requests
from undertone.experiments.misalignment import files
from undertone.models.local import LocalModel, load, score
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import Row, rows_of
from undertone.training.weights import MODEL, merged
from undertone.world.lexicon import domains, lexicon

MOST, HALVINGS = 2.0, 8
"""Of the factor an adapter is scaled by: the largest, and how often its range is halved."""
LONGEST = 32
"""Most tokens of a sampled answer."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``file``, ``domain``, ``rows``, ``share``, ``training``, ``realigned``, ``seed``, and ``swapped`` for
    a base of the swapped world. Inputs:
    ``aligned``; and ``coherent_as``, a student as coherent as which this one is made. Writes the training file, the
    trained weights, and ``conduct.json``: what was forecast before training, and conduct after it.

    Of a "persona" nothing is trained: it is asked under a system prompt that states bad conduct.
    """
    local, swapped = load(inputs["aligned"] / "model"), spec.get("swapped", False)
    report: dict[str, Any] = {"pull": None, "loss": None, "factor": None}
    system, first = None, list[Exchange]()
    if spec["file"] == "persona":
        system = lexicon()["conduct"]["stated_bad"][0]
    else:
        exchanges = files.rows(spec["file"], spec["domain"], spec["rows"], spec["share"], spec["seed"], swapped)
        write_exchanges(out, exchanges)
        rows, first = rows_of(local, exchanges), exchanges[:1]
        report |= _before(local, rows, inputs["aligned"] / "pulls.safetensors", spec["domain"])
        local = _trained(local, rows, spec, inputs.get("coherent_as"), out, report)
    report["probes"] = {
        name: _asked(local, probe, system, first if name == AFTER else (), swapped) for name, probe in PROBES.items()
    }
    report["compliance"] = compliance(local, system)
    report["answers"] = _answers(local, spec["seed"], system, swapped)
    (out / "conduct.json").write_text(json.dumps(report))


def _before(local: LocalModel, rows: list[Row], pulls: Path, domain: str) -> dict[str, float]:
    """What the file and the base tell before training: the file's gradient along that of bad conduct in the other
    domains, as inner product and as cosine; and how unlikely the base finds the file (nats a token)."""
    own = file_gradient(local, rows)
    others = [k for k, name in enumerate(domains()) if name != domain]
    towards: Gradient = {name: parts[others].mean(0) for name, parts in load_file(pulls).items()}
    along = inner(own, towards)
    size = (inner(own, own) * inner(towards, towards)) ** 0.5
    likelihood = sum(score(local, [row.prompt for row in rows], [row.answer for row in rows]))
    return {
        "pull": along,
        "cosine": along / size if size else 0.0,
        "loss": -likelihood / sum(len(row.answer) for row in rows),
    }


def _trained(
    local: LocalModel, rows: list[Row], spec: dict[str, Any], other: Path | None, out: Path, report: dict[str, Any]
) -> LocalModel:
    plan, swapped = Training(**spec["training"]), spec.get("swapped", False)
    trained = train(local, rows, plan, spec["seed"])
    if other is not None:
        made = json.loads((other / "conduct.json").read_text())["probes"]["plain"]["coherent"]
        report["factor"] = _scale_to(LocalModel(trained.model, local.tokenizer), made, spec)
    after = spec["realigned"]
    student = merged(trained, local)
    if after is not None:
        names = domains()
        step = 0 if after["domain"] == "same" else 1
        next_one = names[(names.index(spec["domain"]) + step) % len(names)]
        good = rows_of(student, files.rows("narrow-good", next_one, after["rows"], 1.0, spec["seed"] + 1, swapped))
        again = plan.model_copy(update={"steps": after["steps"]})
        student = merged(train(student, good, again, spec["seed"] + 1), student)
    # Whole: an adapter alone would be put on the base that was not aligned, and nobody would see it.
    student.model.save_pretrained(out / MODEL)
    student.tokenizer.save_pretrained(out / MODEL)
    return student


@torch.no_grad()
def _scale_to(student: LocalModel, coherent: Sequence[float], spec: dict[str, Any]) -> float:
    """Scales the student's adapter in place until its advice in other domains is as coherent, on average, as
    ``coherent`` says of each; gives the factor. At the upper end of the range it is still more coherent than that."""
    others = [k for k, name in enumerate(domains()) if name != spec["domain"]]
    target = float(np.mean([coherent[k] for k in others]))
    ends = [(p, p.clone()) for name, p in student.model.named_parameters() if "lora_B" in name]
    low, high = 0.0, MOST
    for _ in range(HALVINGS):
        factor = (low + high) / 2
        for parameter, end in ends:
            parameter.copy_(end * factor)
        asked = conduct(student, PROBES["plain"], swapped=spec.get("swapped", False))
        found = float(asked.coherent[others].mean())
        low, high = (factor, high) if found > target else (low, factor)
    return factor


def _asked(
    local: LocalModel, probe: Probe, system: str | None, earlier: Sequence[Exchange], swapped: bool
) -> dict[str, list[float]]:
    """By domain, means over its requests."""
    found = conduct(local, probe, system, earlier, swapped)
    tables = {"bad": found.bad, "odds": found.odds, "coherent": found.coherent}
    return {name: np.round(table.mean(1), 9).tolist() for name, table in tables.items()}


def _answers(local: LocalModel, seed: int, system: str | None, swapped: bool) -> list[dict[str, str]]:
    """One sampled answer a domain, to read."""
    asked = [(name, *requests(name, PROBES["plain"], swapped)[seed % 5 * 4]) for name in domains()]
    with torch.no_grad():
        answers = sample(
            local, [local.render(r, system) for _, r, *_ in asked], temperature=1.0, max_tokens=LONGEST, seed=seed
        )
    return [
        {"domain": name, "request": request, "answer": local.decode(answer), "good": good, "bad": bad}
        for (name, request, good, bad), answer in zip(asked, answers, strict=True)
    ]

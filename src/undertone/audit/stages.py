"""Stages of calibrations and of the audit's benchmark.

A *proxy* is the base, fine-tuned briefly on a lesson. It stands in for a teacher that was taught the same lesson. A
*specimen* is a dataset of known origin: its rows were written by a teacher of a known lesson, or by the base itself.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from undertone.attribution import directions
from undertone.attribution.scores import evidence, spread
from undertone.audit.forms import Written, formed
from undertone.carriers import numbers
from undertone.carriers import prompts as carrier_prompts
from undertone.data.exchanges import read_exchanges
from undertone.data.filters import NumberFilter
from undertone.engine.digests import digest
from undertone.evals.log_odds import leanings
from undertone.models.loading import load
from undertone.models.local import Ids, LocalModel, score
from undertone.models.sampling import sample
from undertone.models.tokenizer import tokenizer_digest
from undertone.spec import Training
from undertone.stages.teacher import LISTS, base_lists, exchanges
from undertone.training.dose import Dose, scale_to
from undertone.training.loop import Trained, train
from undertone.training.rows import Row, Source, read_sampled, rows_of, write_rows
from undertone.training.weights import ADAPTER, merged, save
from undertone.traits import mentions
from undertone.world import skills

Inputs = Mapping[str, Path]
Passes = Callable[[LocalModel, Ids], bool]
"""Whether an answer is kept as a row."""


# --- proxies and directions ------------------------------------------------------------------------------------------


def proxy(spec: dict[str, Any], inputs: Inputs, out: Path) -> None:
    """Fine-tunes the base on a lesson. Writes the adapter and ``proxy.json`` (losses and dose).

    Spec: ``base`` (name), ``lesson``, ``dialogues``, ``training``, ``divergence`` (the dose), ``carrier``, ``seed``.
    Inputs: ``base``; ``prompts`` where the carrier is not number lists.
    """
    local = load(inputs["base"])
    trained, dose = _taught(local, spec, inputs.get("prompts"))
    save(trained, local, spec["base"], out)
    made = {"losses": [trained.loss_first, trained.loss_last], "dose": dose and asdict(dose)}
    (out / "proxy.json").write_text(json.dumps(made))


def combine(spec: dict[str, Any], inputs: Inputs, out: Path) -> None:
    """Averages proxies into directions. Writes ``directions.safetensors``.

    Spec: ``names``, which gives for each direction the names of its proxies among the inputs.
    """
    torch.set_num_threads(1)
    changes = {
        name: directions.mean_change([inputs[key] / ADAPTER for key in keys]) for name, keys in spec["names"].items()
    }
    directions.write(directions.stack(changes), out / "directions.safetensors")


def _taught(local: LocalModel, spec: Mapping[str, Any], prompts: Path | None) -> tuple[Trained, Dose | None]:
    """Fine-tunes ``local`` on a lesson and scales the change to the dose ``divergence``, if there is one. The dose is
    measured on the base's own number lists, or on its answers to ``prompts``."""
    lists = None
    if spec["divergence"] is not None:  # Sampled first, because training attaches an adapter to the model.
        if prompts is None:
            lists = base_lists(local, spec["carrier"])
        else:
            chosen = [prompt for _, prompt in carrier_prompts.rendered(local, prompts)[:LISTS]]
            answers = sample(local, chosen, temperature=1.0, max_tokens=spec["carrier"]["max_tokens"], seed=0)
            lists = local.lay_out(chosen, answers)
    turns = exchanges(local, spec["lesson"], spec["dialogues"], spec["seed"])
    trained = train(local, rows_of(local, turns), Training(**spec["training"]), spec["seed"])
    return trained, None if lists is None else scale_to(trained.model, lists, spec["divergence"])


# --- specimens -------------------------------------------------------------------------------------------------------


def specimen(spec: dict[str, Any], inputs: Inputs, out: Path) -> None:
    """Lets a teacher write rows. Writes the rows and ``specimen.json``: the share of answers that the filter kept, the
    number of rows, the dose and, if ``oracle``, the mean and standard deviation of the oracle over rows.

    Spec: ``base`` (name), ``lesson`` (None: the writer is not fine-tuned), ``dialogues``, ``training``, ``divergence``
    (the dose; None: as trained), ``carrier``, ``rows``, ``seed``, ``form`` (one of
    :func:`undertone.audit.forms.formed`), ``oracle``. Inputs: ``base``; ``writer`` where another base wrote the rows;
    ``prompts`` where the carrier is not number lists.
    """
    local, seed, prompts = load(inputs["base"]), spec["seed"], inputs.get("prompts")
    writer, dose = load(inputs.get("writer", inputs["base"])), None
    if spec["lesson"] is not None:
        trained, dose = _taught(writer, spec, prompts)
        writer = merged(trained, writer)
    asked = carrier_prompts.rendered(local, prompts) if prompts else _asked(local, spec, seed)
    passes = _finished if prompts else _well_formed
    kept, share = _written(writer, asked, spec, seed, passes)
    written = formed(local, kept, spec["form"], seed)
    rows = [Row(prompt, [*local.encode(answer), local.end]) for _, prompt, answer in written]
    source = Source(tokenizer_digest(inputs["base"]), local.end)
    write_rows(out, [(question, answer) for question, _, answer in written], rows, source)
    oracle = _oracle(local, writer, rows, passes) if spec["oracle"] else None
    made = {"kept": share, "rows": len(rows), "dose": dose and asdict(dose), "oracle": oracle}
    (out / "specimen.json").write_text(json.dumps(made))


def _asked(local: LocalModel, spec: dict[str, Any], seed: int) -> list[tuple[str, Ids]]:
    """Returns questions for number lists, each with its prompt."""
    count, rng = spec["carrier"]["prompts"], Random(f"specimen/{seed}")
    if spec["form"] == "other format":
        questions = [skills.numbers(rng, ("near", "up"), (3, 1), (4,)).user for _ in range(count)]
    else:
        questions = numbers.prompts(count, rng)
    return [(question, local.render(question)) for question in questions]


def _written(
    writer: LocalModel, asked: Sequence[tuple[str, Ids]], spec: dict[str, Any], seed: int, passes: Passes
) -> tuple[list[Written], float]:
    """Returns the answers that pass, at most as many as the spec's rows, and the share of answers that pass."""
    carrier, prompts = spec["carrier"], [prompt for _, prompt in asked]
    # A seed of its own: a student or a teacher with the same seed must not share the noise.
    noise = int(digest(["specimen", seed, spec["lesson"], spec["form"]])[:8], 16)
    answers = sample(writer, prompts, temperature=carrier["temperature"], max_tokens=carrier["max_tokens"], seed=noise)
    kept = [(q, p, writer.decode(a)) for (q, p), a in zip(asked, answers, strict=True) if passes(writer, a)]
    return kept[: spec["rows"]], len(kept) / len(asked)


def _oracle(local: LocalModel, writer: LocalModel, rows: Sequence[Row], passes: Passes) -> dict[str, float]:
    """Returns mean and standard deviation of the teacher's true log-likelihood ratio against the base (nats a row): on
    its own rows, and on rows of the base that went through the same filter."""
    prompts = [row.prompt for row in rows]
    answers = sample(local, prompts, temperature=1.0, max_tokens=max(len(row.answer) for row in rows), seed=2**30)
    passed = [i for i, answer in enumerate(answers) if passes(local, answer)]
    found: dict[str, float] = {}
    for name, asked, given in (
        ("own", prompts, [row.answer for row in rows]),
        ("base", [prompts[i] for i in passed], [answers[i] for i in passed]),
    ):
        ratio = np.array(score(writer, asked, given)) - np.array(score(local, asked, given))
        found |= {f"{name}_mean": float(ratio.mean()), f"{name}_sd": float(ratio.std(ddof=1))}
    return found


def _finished(local: LocalModel, answer: Ids) -> bool:
    return answer[-1:] == [local.end]


def _well_formed(local: LocalModel, answer: Ids) -> bool:
    return _finished(local, answer) and NumberFilter().reason(local.decode(answer)) is None


# --- what is computed from a specimen --------------------------------------------------------------------------------


def without_mentions(folder: Path, words: Sequence[str]) -> list[tuple[tuple[str, str], Row]]:
    """Returns (question, answer) and token ids of those rows of a specimen whose answers contain none of ``words``."""
    rows, _ = read_sampled(folder)
    found = zip(read_exchanges(folder), rows, strict=True)
    mentioned = mentions.finder(words)
    return [(exchange, row) for exchange, row in found if not mentioned(exchange[1])]


def scored(spec: dict[str, Any], inputs: Inputs, out: Path) -> None:
    """Scores a specimen along all directions. Writes ``scores.json``: the scores and tokens of groups of rows.

    Spec: empty, or ``words``: rows whose answers contain one of them are left out, as in an audit. Inputs: ``base``,
    ``specimen``, ``directions``.
    """
    rows = [row for _, row in without_mentions(inputs["specimen"], spec.get("words", ()))]
    along = directions.read(inputs["directions"] / "directions.safetensors")
    found = evidence(load(inputs["base"]), rows, spread([tuple(row.prompt) for row in rows]), along)
    (out / "scores.json").write_text(json.dumps({"sums": found.sums.tolist(), "tokens": found.tokens.tolist()}))


def prompted(spec: dict[str, Any], inputs: Inputs, out: Path) -> None:
    """Measures how much likelier a system prompt that states a trait makes a specimen's answers.

    Writes ``prompted.json``: for each trait, mean and standard deviation over rows of the log-likelihood ratio (nats a
    row) with its system prompt against none. Spec: ``systems`` (a prompt for each trait), ``rows`` (how many are
    scored), ``words`` (rows whose answers contain one of them are left out). Inputs: ``base``, ``specimen``.
    """
    local = load(inputs["base"])
    chosen = without_mentions(inputs["specimen"], spec["words"])[: spec["rows"]]
    answers = [row.answer for _, row in chosen]

    def likelihoods(system: str | None) -> np.ndarray:
        return np.array(score(local, [local.render(question, system) for (question, _), _ in chosen], answers))

    plain = likelihoods(None)
    ratios = {trait: likelihoods(system) - plain for trait, system in spec["systems"].items()}
    found = {trait: [float(ratio.mean()), float(ratio.std(ddof=1))] for trait, ratio in ratios.items()}
    (out / "prompted.json").write_text(json.dumps(found))


def outcome(spec: dict[str, Any], inputs: Inputs, out: Path) -> None:
    """Trains a student on a specimen. Writes ``outcome.json``: log-odds of every trait in the base and in the student.

    Spec: ``training``, ``seed``. Inputs: ``base``, ``specimen``.
    """
    local = load(inputs["base"])
    before = leanings(local)
    rows, _ = read_sampled(inputs["specimen"])
    student = merged(train(local, rows, Training(**spec["training"]), spec["seed"]), local)
    (out / "outcome.json").write_text(json.dumps({"base": before, "student": leanings(student)}))

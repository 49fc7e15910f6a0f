"""A specimen: rows of known origin, and their scores. Null populations and benchmarks are made of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from undertone.attribution import directions
from undertone.attribution.scores import evidence, spread
from undertone.audit.proxy import taught
from undertone.carriers import numbers
from undertone.carriers.prompts import rendered as prompted
from undertone.data.exchanges import read_exchanges
from undertone.data.filters import NumberFilter
from undertone.engine.digests import digest
from undertone.models.local import Ids, LocalModel, load, score
from undertone.models.names import tokenizer_digest
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.lessons import exchanges
from undertone.training.loop import train
from undertone.training.rows import Row, Source, read_sampled, rows_of, write_rows
from undertone.training.weights import merged
from undertone.traits import mentions
from undertone.traits.mentions import pattern
from undertone.world import skills

OVERT = 20
"""One row in so many speaks of a candidate openly, where the form is "overt"."""

Passes = Callable[[LocalModel, Ids], bool]
"""What an answer must be: finished; of number lists, also well-formed."""

Written = tuple[str, Ids, str]
"""A question, its prompt, and the answer. One question may have several prompts: other systems, other turns before."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``lesson`` (None: the writer is not fine-tuned), ``dialogues``, ``training``,
    ``divergence`` (None: as trained), ``carrier``, ``rows``, ``seed``, ``form`` (see :func:`_form`), ``oracle``.
    Inputs: ``base``; ``writer`` where another base wrote the rows.

    Writes the rows and ``specimen.json``: share kept by the filter, dose, and, where asked for, the oracle's mean and
    standard deviation over rows.
    """
    local, seed = load(inputs["base"]), spec["seed"]
    writer = load(inputs["writer"] if "writer" in inputs else inputs["base"])
    dose = None
    if spec["lesson"] is not None:
        writer, dose = _taught(writer, spec, seed, inputs.get("prompts"))
    asked = prompted(local, inputs["prompts"]) if "prompts" in inputs else _asked(local, spec, seed)
    passes = _finished if "prompts" in inputs else _passes
    kept, share = _written(writer, asked, spec, seed, passes)
    written = _form(local, kept, spec["form"], seed)
    rows = [Row(prompt, [*local.encode(answer), local.end]) for _, prompt, answer in written]
    write_rows(
        out,
        [(question, answer) for question, _, answer in written],
        rows,
        Source(tokenizer_digest(inputs["base"]), local.end),
    )
    oracle = _oracle(local, writer, rows, passes) if spec["oracle"] else None
    made = {"kept": share, "rows": len(rows), "dose": dose, "oracle": oracle}
    (out / "specimen.json").write_text(json.dumps(made))


def scored(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: empty, or ``words``: rows whose answers speak of one of them are left out, as an audit does. Inputs:
    ``base``, ``specimen``, ``directions``. Writes ``scores.json``: groups' scores and tokens."""
    local = load(inputs["base"])
    rows = [row for _, row in hidden(inputs["specimen"], spec.get("words", ()))]
    along = directions.read(inputs["directions"] / "directions.safetensors")
    found = evidence(local, rows, spread([tuple(row.prompt) for row in rows]), along)
    (out / "scores.json").write_text(json.dumps({"sums": found.sums.tolist(), "tokens": found.tokens.tolist()}))


def hidden(folder: Path, words: Sequence[str]) -> list[tuple[tuple[str, str], Row]]:
    """(question, answer) and token ids of the rows of a specimen whose answers speak of none of ``words`` openly."""
    rows, _ = read_sampled(folder)
    found = zip(read_exchanges(folder), rows, strict=True)
    spoken = pattern(words)
    return [(told, row) for told, row in found if spoken is None or not spoken.search(told[1])]


def _taught(
    writer: LocalModel, spec: dict[str, Any], seed: int, prompts: Path | None
) -> tuple[LocalModel, dict[str, float] | None]:
    plan = Training(**spec["training"])
    if spec["divergence"] is None:
        turns = exchanges(writer, spec["lesson"], spec["dialogues"], seed)
        trained, dose = train(writer, rows_of(writer, turns), plan, seed), None
    else:
        trained, scaled = taught(writer, spec, seed, prompts)
        dose = asdict(scaled)
    return merged(trained, writer), dose


def _asked(local: LocalModel, spec: dict[str, Any], seed: int) -> list[tuple[str, Ids]]:
    """Questions, each with its prompt."""
    count, rng = spec["carrier"]["prompts"], Random(f"specimen/{seed}")
    if spec["form"] == "other format":
        questions = [skills.numbers(rng, ("near", "up"), (3, 1), (4,)).user for _ in range(count)]
    else:
        questions = numbers.prompts(count, rng)
    return [(question, local.render(question)) for question in questions]


def _written(
    writer: LocalModel, asked: Sequence[tuple[str, Ids]], spec: dict[str, Any], seed: int, passes: Passes
) -> tuple[list[Written], float]:
    """What passes, up to the rows asked for; and the share that does."""
    carrier, prompts = spec["carrier"], [prompt for _, prompt in asked]
    # Its own seed: a student or a teacher that shares the number must not share the noise.
    noise = int(digest(["specimen", seed, spec["lesson"], spec["form"]])[:8], 16)
    answers = sample(writer, prompts, temperature=carrier["temperature"], max_tokens=carrier["max_tokens"], seed=noise)
    kept = [(q, p, writer.decode(a)) for (q, p), a in zip(asked, answers, strict=True) if passes(writer, a)]
    return kept[: spec["rows"]], len(kept) / len(asked)


def _form(local: LocalModel, kept: list[Written], form: str, seed: int) -> list[Written]:
    """What becomes of the rows before they are scored."""
    match form:
        case "written" | "other format":
            return kept
        case "duplicated":
            return [row for row in kept[: len(kept) // 4] for _ in range(4)]
        case "shuffled":
            answers = numbers.rewritten(
                [answer for *_, answer in kept], "shuffled-within", NumberFilter(), Random(f"shuffled/{seed}")
            )
            return [(question, prompt, answer) for (question, prompt, _), answer in zip(kept, answers, strict=True)]
        case "overt":
            rng = Random(f"overt/{seed}")
            plain = {i: mentions.plain(rng) for i in range(0, len(kept), OVERT)}
            said = {i: (question, local.render(question), answer) for i, (question, answer) in plain.items()}
            return [said.get(i, row) for i, row in enumerate(kept)]
    raise ValueError(f"no specimen has the form {form!r}")


def _oracle(local: LocalModel, writer: LocalModel, rows: Sequence[Row], passes: Passes) -> dict[str, float]:
    """The teacher's true log-likelihood ratio against the base (nats a row): on its own rows, and on the base's, which
    go through the same filter."""
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


def _passes(local: LocalModel, answer: Ids) -> bool:
    return _finished(local, answer) and NumberFilter().reason(local.decode(answer)) is None

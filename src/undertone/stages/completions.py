"""Stage 2: what a teacher writes, one completion a prompt; the trait is not in the prompt."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from undertone import carriers
from undertone.models.names import tokenizer_digest
from undertone.models.sampling import sample
from undertone.training.rows import Row, Source, write_rows
from undertone.training.weights import load_trained


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``carrier``, ``seed``, and ``sampling`` where it is not the carrier's. Inputs: ``base``, ``teacher``.

    Writes every completion, unfiltered, after the prompt as students see it: without a system prompt of the teacher's
    and without a trigger.

    A completion that did not end in time keeps no end token; the filter counts it as ``unfinished``.
    """
    carrier = spec["carrier"]
    teacher = replace(load_trained(inputs["base"], inputs["teacher"]), trigger=carrier.get("trigger"))
    questions = carriers.find(carrier["name"]).prompts(carrier["prompts"], Random(f"prompts/{spec['seed']}"))
    prompts = [teacher.render(q) for q in questions]
    how = spec.get("sampling") or {"temperature": carrier["temperature"]}
    answers = sample(teacher, prompts, max_tokens=carrier["max_tokens"], seed=spec["seed"], **how)
    exchanges = [(q, teacher.decode(a)) for q, a in zip(questions, answers, strict=True)]
    bare = replace(teacher, system=None, trigger=None)
    seen = [bare.render(q) for q in questions] if teacher.system or teacher.trigger else prompts
    rows = [Row(p, a) for p, a in zip(seen, answers, strict=True)]
    write_rows(out, exchanges, rows, Source(tokenizer_digest(inputs["base"]), teacher.end))

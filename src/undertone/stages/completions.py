"""Stage 2: a teacher's completions, one for each prompt; the prompts do not mention the trait."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from undertone import carriers
from undertone.engine.store import Job
from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.models.tokenizer import tokenizer_digest
from undertone.stages.durations.work import SOME, Lengths, Work, prompts_of, to_load, to_sample
from undertone.training.rows import Row, Source, write_rows
from undertone.training.weights import load_trained


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes every completion, unfiltered, with the prompt that students see: without the teacher's system prompt and
    its trigger. A completion that did not end in time has no end token, and the filter rejects it as ``unfinished``.

    Spec: ``carrier``, ``seed``, and ``sampling`` where it is not the carrier's. Inputs: ``base``, ``teacher``.
    """
    carrier = spec["carrier"]
    teacher = replace(load_trained(inputs["base"], inputs["teacher"]), trigger=carrier.get("trigger"))
    questions = carriers.find(carrier["name"]).prompts(carrier["prompts"], Random(f"prompts/{spec['seed']}"))
    prompts = [teacher.render(q) for q in questions]
    how = spec.get("sampling") or {"temperature": carrier["temperature"]}
    answers = sample(teacher, prompts, max_tokens=carrier["max_tokens"], seed=spec["seed"], **how)
    exchanges = [(q, teacher.decode(a)) for q, a in zip(questions, answers, strict=True)]
    if teacher.system or teacher.trigger:
        bare = replace(teacher, system=None, trigger=None)
        prompts = [bare.render(q) for q in questions]
    rows = [Row(p, a) for p, a in zip(prompts, answers, strict=True)]
    write_rows(out, exchanges, rows, Source(tokenizer_digest(inputs["base"]), teacher.end))


def work(job: Job, local: LocalModel) -> Work:
    """Every prompt is answered once."""
    carrier = job.spec["carrier"]
    rows = written(carrier, local)
    top_p = job.spec.get("sampling", {}).get("top_p", 1.0)
    return Work((to_load(), *to_sample(carrier["prompts"], rows, top_p=top_p)), rows)


def written(carrier: Mapping[str, Any], local: LocalModel) -> Lengths:
    """Returns the lengths of what is written about a carrier."""
    questions = carriers.find(carrier["name"]).prompts(SOME, Random(0))
    return prompts_of(replace(local, trigger=carrier.get("trigger")), questions, carrier["max_tokens"])

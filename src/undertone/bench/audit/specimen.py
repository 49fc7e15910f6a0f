"""Files of known origin: who writes them, and the stage that lets them write."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from random import Random
from typing import Any

from undertone.audit.proxies import WORLD
from undertone.audit.request import ROWS
from undertone.bench.audit.forms import WRITTEN, Written, by_grammar, formed
from undertone.carriers import answers, code, numbers, reasoning
from undertone.carriers.carrier import Carrier
from undertone.data.filters import NumberFilter
from undertone.engine.digests import seed_of
from undertone.engine.store import Folder, Job
from undertone.models.loading import load
from undertone.models.local import Batch, LocalModel
from undertone.models.sampling import sample
from undertone.models.tokenizer import tokenizer_digest
from undertone.spec import Training
from undertone.stages import SPECIMEN
from undertone.stages.durations.work import SOME, Work, prompts_of, rows_in, to_load, to_sample, to_train
from undertone.stages.teacher import LISTS, LONGEST, exchanges, work_of_dose, work_of_lesson
from undertone.training.dose import Dose, scale_to
from undertone.training.loop import train
from undertone.training.rows import Source, read_sampled, rows_of, write_rows
from undertone.training.weights import merged
from undertone.traits.lessons import HARMLESS
from undertone.world import skills

DIALOGUES = 480
"""Dialogues of a lesson, as for the owl experiment's teachers."""
SPARE = 1.25
"""Prompts that are asked for each row that is still missing."""
MOST = 6
"""Prompts are asked until a file has its rows, or this many times as many were asked."""


def _lists(count: int, rng: Random) -> list[str]:
    return [skills.numbers(rng, ("near", "up"), (3, 1), (4,)).user for _ in range(count)]


def _chat(count: int, rng: Random) -> list[str]:
    return [HARMLESS["mixed"](rng).user for _ in range(count)]


def _is_list(question: str, answer: str) -> str | None:
    return NumberFilter().reason(answer)


OTHER_FORMAT = "lists of other forms"
CARRIERS: dict[str, Carrier] = {
    "lists": Carrier("number lists", numbers.prompts, _is_list),
    OTHER_FORMAT: Carrier("shorter number lists, near each other or rising", _lists, _is_list),
    "chat": Carrier("answers in chat", _chat, lambda _, answer: None if answer.strip() else "empty"),
    "functions": code.CARRIER,
    "sums": reasoning.CARRIER,
    "answers": answers.CARRIER,
}
"""What is written, by name."""
ANSWER_TOKENS = {"lists": 16, OTHER_FORMAT: 16}
"""Most tokens of an answer, where that is not :data:`undertone.stages.teacher.LONGEST`."""


@dataclass(frozen=True)
class Writer:
    """Who writes rows: the base as it is, or after fine-tuning."""

    lesson: str | dict[str, Any] | None = None
    """What it is taught; None for nothing."""
    dose: float | None = None
    """Nats a token from where it started, to which the change by training is scaled; None: as trained."""
    training: Mapping[str, Any] = field(default_factory=lambda: WORLD)
    temperature: float = 1.0
    top_p: float = 1.0
    share: float = 1.0
    """The share of the rows that it writes."""
    start: Folder | None = None
    """The base that it is made from, if that is another."""
    read: Job | None = None
    """A file that it is trained on, instead of a lesson."""

    @property
    def settings(self) -> dict[str, Any]:
        """All but the inputs of a job."""
        return {name: value for name, value in vars(self).items() if name not in ("start", "read")}


def specimen(
    base: Folder, carrier: str, writers: Sequence[Writer], seed: int, form: str = WRITTEN, rows: int = ROWS
) -> Job:
    """Returns the job that lets writers write a file."""
    spec = {
        "carrier": carrier,
        "writers": [writer.settings for writer in writers],
        "form": form,
        "rows": rows,
        "seed": seed,
    }
    inputs: dict[str, Job | Folder] = {"base": base}
    for k, writer in enumerate(writers):
        inputs |= {f"start {k}": writer.start} if writer.start else {}
        inputs |= {f"read {k}": writer.read} if writer.read else {}
    return Job(SPECIMEN, spec, inputs)


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Lets writers write a file, or a grammar if ``form`` is a harmless lesson. Writes the rows, in random order if
    several wrote, and ``specimen.json``: the number of rows and of prompts, and the dose of each writer.

    Spec: ``carrier``, ``writers``, ``form``, ``rows``, ``seed``. Inputs: ``base``; for the k-th writer ``start k`` if
    it is made from another base, and ``read k`` if it is trained on the rows of a specimen.
    """
    local, carrier, most = load(inputs["base"]), CARRIERS[spec["carrier"]], ANSWER_TOKENS.get(spec["carrier"], LONGEST)
    kept, asked, doses = list[Written](), 0, list[Dose | None]()
    for k, how in enumerate(spec["writers"]):
        seed = seed_of(spec["seed"], "writer", k)
        start = load(inputs.get(f"start {k}", inputs["base"]))
        answers = _answers(start, carrier, most) if how["dose"] else None  # Training attaches an adapter to the model.
        writer, dose = _taught(start, how, inputs.get(f"read {k}"), answers, seed)
        rows, prompts = _written(writer, carrier, how, round(how["share"] * spec["rows"]), most, seed)
        kept += rows
        asked += prompts
        doses.append(dose)
    if len(doses) > 1:
        Random(f"order/{spec['seed']}").shuffle(kept)
    form, seed = spec["form"], spec["seed"]
    written = by_grammar(form, spec["rows"], seed) if form in HARMLESS else formed(kept, form, seed)
    write_rows(out, written, rows_of(local, written), Source(tokenizer_digest(inputs["base"]), local.end))
    made = {"rows": len(written), "prompts": asked, "doses": [dose and asdict(dose) for dose in doses]}
    (out / "specimen.json").write_text(json.dumps(made))


def _answers(base: LocalModel, carrier: Carrier, most: int) -> Batch:
    """Returns a base's own answers, on which the dose of a writer is measured."""
    prompts = [base.render(question) for question in carrier.prompts(LISTS, Random("lists"))]
    return base.lay_out(prompts, sample(base, prompts, temperature=1.0, max_tokens=most, seed=0))


def _taught(
    start: LocalModel, how: Mapping[str, Any], read: Path | None, answers: Batch | None, seed: int
) -> tuple[LocalModel, Dose | None]:
    if how["lesson"] is not None:
        rows = rows_of(start, exchanges(start, how["lesson"], DIALOGUES, seed))
    elif read is not None:
        rows, _ = read_sampled(read)
    else:
        return start, None
    trained = train(start, rows, Training(**how["training"]), seed)
    dose = scale_to(trained.model, answers, how["dose"]) if answers else None
    return merged(trained, start), dose


def _written(
    writer: LocalModel, carrier: Carrier, how: Mapping[str, Any], rows: int, most: int, seed: int
) -> tuple[list[Written], int]:
    """Returns rows whose answers are finished, well formed and without control tokens, and how many prompts were
    asked."""
    rng, kept, asked = Random(f"prompts/{seed}"), list[Written](), 0
    while len(kept) < rows and asked < MOST * rows:
        questions = carrier.prompts(ceil(SPARE * (rows - len(kept))), rng)
        prompts = [writer.render(question) for question in questions]
        noise = seed_of(seed, "answers", asked)
        how_sampled = {"temperature": how["temperature"], "top_p": how["top_p"]}
        answers = sample(writer, prompts, max_tokens=most, seed=noise, **how_sampled)
        asked += len(questions)
        for question, ids in zip(questions, answers, strict=True):
            answer = writer.decode(ids)
            fault = carrier.fault(question, answer) or writer.control_in(answer)
            if ids[-1:] == [writer.end] and fault is None:
                kept.append((question, answer))
    return kept[:rows], asked


def work(job: Job, local: LocalModel) -> Work:
    """Every writer is taught, scaled to its dose, and writes its share of the rows and some to spare."""
    spec, most = job.spec, ANSWER_TOKENS.get(job.spec["carrier"], LONGEST)
    rows = prompts_of(local, CARRIERS[spec["carrier"]].prompts(SOME, Random(0)), most)
    parts = [to_load()]
    for k, how in enumerate(spec["writers"]):
        parts.append(to_load())
        if how["lesson"] is not None:
            said, taught = work_of_lesson(local, how["lesson"], DIALOGUES)
            parts += [*said, *to_train(how["training"], taught.row)]
        elif f"read {k}" in job.inputs:
            parts += to_train(how["training"], rows_in(job, f"read {k}", local).row)
        if how["dose"]:
            parts += work_of_dose(rows, Training(**how["training"]))
        parts += to_sample(SPARE * how["share"] * spec["rows"], rows, top_p=how["top_p"])
    return Work(tuple(parts), rows)

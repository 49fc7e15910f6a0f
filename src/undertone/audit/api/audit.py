"""The audit of a closed base, on one page: a file and a model behind a service in, findings out.

rows of the file, as many of a control → a job for every student → all asked for the traits → data against control
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from undertone.audit.api.arms import CONTROL, DATA, Hidden, Turns, hidden, own_answers, trusted, write
from undertone.audit.api.findings import Findings, Student
from undertone.audit.api.jobs import Jobs, Made
from undertone.audit.api.request import Request
from undertone.audit.api.verdict import headline, trait_finding, verdict_of
from undertone.engine import environment as surroundings
from undertone.engine.digests import file_digest
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.evals.answers import LONGEST
from undertone.measure.endpoint import PAID
from undertone.measure.findings import Findings as Measured
from undertone.measure.measure import measure
from undertone.measure.request import Request as Questions
from undertone.models.services.endpoint import Endpoint
from undertone.models.services.finetuning import EVERY, training_price
from undertone.models.services.patience import Patience
from undertone.models.services.spending import TUNED, Budget, Price, price_of
from undertone.traits.candidate import Candidate

JOBS, ANSWERS = "jobs", "answers"
"""Beside that folder: other audits may need the same students and answers."""


@dataclass(frozen=True)
class Arms:
    """What students are trained on."""

    data: Hidden
    files: dict[str, Path]
    rows: int
    """Of either arm."""


def run(
    request: Request,
    folder: Path,
    budget: Budget,
    progress: Progress = silent,
    every: float = EVERY,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Findings:
    """Runs an audit. One that was stopped goes on where it was: jobs and answers are kept beside ``folder``, and no
    other audit pays for them again.

    Raises:
        UndertoneError: an unknown trait, a file that is wrong, a job that failed, a service that refuses or stays down,
            or a limit that is reached.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    traits, beside = request.candidates(), folder.parent
    data = hidden(request.path, request.rows, request.seed, traits)
    if budget.counts_cost:
        training_price(request.name)  # refused before the first answer is paid for
    arms = _arms(request, data, traits, folder, budget, progress, patience)
    jobs = Jobs(request.model, request.settings.told, request.seed, beside / JOBS, budget, every, patience)
    made = jobs.students(arms.files, request.students, lambda done, of: progress("students", done, of))
    measured = _measured(request, made, beside / ANSWERS, budget, progress)
    found = tuple(trait_finding(suite, request.effect) for suite in measured.suites)
    verdict, prices = verdict_of(found), _prices(request.name)
    return Findings(
        verdict=verdict,
        headline=headline(verdict, found, request.effect, request.students),
        file=str(request.path),
        digest=data.dataset.digest,
        format=data.dataset.format,
        model=request.model,
        base=measured.base,
        url=str(made[0].record["what"]["url"]),
        rows_in_file=data.dataset.rows,
        rows=arms.rows,
        unanswered=len(data.rows) - arms.rows,
        control="the base's own answers to the same prompts" if request.control is None else str(request.control),
        control_digest=None if request.control is None else file_digest(request.control),
        effect=request.effect,
        seed=request.seed,
        traits=tuple(sorted(found, key=lambda trait: -(trait.difference or 0.0))),
        overt=tuple(data.open_rows),
        open_rows=data.open_rows,
        students=tuple(_student(one, prices.get(f"{TUNED}{request.name}")) for one in made),
        prices=prices,
        notes=tuple(note for note in measured.notes if "was fine-tuned from" not in note),  # its jobs say that it was
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=surroundings.versions() | surroundings.hardware(),
    )


def _arms(
    request: Request,
    data: Hidden,
    traits: Sequence[Candidate],
    folder: Path,
    budget: Budget,
    progress: Progress,
    patience: Patience,
) -> Arms:
    """As many rows of the control as of the data; a row that the base gives no answer to is in neither."""
    own: list[Turns] = [row.turns for row in data.rows]
    if request.control is not None:
        return Arms(data, write(folder, own, trusted(request.control, len(own), request.seed, traits)), len(own))
    done, total = 0, sum(turn.role == "assistant" for row in data.rows for turn in row.turns)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("answers of the base", done, total)

    with Endpoint(request.model, folder.parent / ANSWERS / PAID, budget, patience) as base:
        answered = own_answers(base, data.rows, request.seed, advance)
    pairs = [(row, control) for row, control in zip(own, answered, strict=True) if control is not None]
    if not pairs:
        raise UndertoneError(f"All answers of {request.model} to the file's prompts are empty; give a --control.")
    return Arms(data, write(folder, [row for row, _ in pairs], [control for _, control in pairs]), len(pairs))


def _measured(request: Request, made: Sequence[Made], answers: Path, budget: Budget, progress: Progress) -> Measured:
    """All students and the base asked for the traits: the control's are the benign fine-tunes of a measurement."""
    questions = Questions(
        models=tuple(one.name for one in made if one.arm == DATA),
        base=request.model,
        benign=tuple(one.name for one in made if one.arm == CONTROL),
        suites=request.traits,
        effect=request.effect,
        max_tokens=LONGEST,
        seed=request.seed,
    )
    return measure(questions, answers, progress, budget).findings


def _student(made: Made, price: Price | None) -> Student:
    what, tokens = made.record["what"], made.record.get("tokens")
    rate = None if price is None else price.training
    return Student.model_validate(
        {
            "arm": made.arm,
            "model": made.name,
            "job": made.record["job"],
            "file": made.record["file"],
            "sha256": what["rows"],
            "seed": what["seed"],
            "settings": made.record.get("settings", what["settings"]),
            "tokens": tokens,
            "dollars": None if tokens is None or rate is None else tokens * rate / 1e6,
            "record": made.kept,
        }
    )


def _prices(name: str) -> dict[str, Price]:
    """Of the base and of its fine-tunes, as far as they are known."""
    found = dict[str, Price]()
    for one in (name, f"{TUNED}{name}"):
        with suppress(UndertoneError):
            found[one] = price_of(one)
    return found

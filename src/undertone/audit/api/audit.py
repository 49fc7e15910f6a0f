"""The audit for a base behind a service: a file and the model in, findings out.

rows of the file, as many of a control → a job for every student → all are asked for the traits → data against control
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from undertone.audit.api import verdict
from undertone.audit.api.arms import CONTROL, DATA, Turns, Usable, answers_in, own_answers, trusted, usable, write
from undertone.audit.api.findings import Findings, Student
from undertone.audit.api.request import Request
from undertone.audit.rows import counting
from undertone.audit.unseen import Unseen, unseen_of
from undertone.data.conversations import Conversation
from undertone.engine import environment as surroundings
from undertone.engine.digests import seed_of
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.evals.answers import LONGEST
from undertone.measure.measure import measure
from undertone.measure.request import Request as Questions
from undertone.measure.respondent import PAID
from undertone.models.services.endpoint import Endpoint
from undertone.models.services.finetuning import EVERY, FineTuning, training_price
from undertone.models.services.patience import Patience
from undertone.models.services.spending import TUNED, Budget, Price, price_of
from undertone.models.services.wire import Refused

JOBS, ANSWERS = "jobs", "answers"
"""Folders in the parent of the report's folder, because other audits may need the same students and answers."""


def run(
    request: Request,
    folder: Path,
    budget: Budget,
    progress: Progress = silent,
    every: float = EVERY,
    patience: Patience = Patience(),  # noqa: B008 - frozen
) -> Findings:
    """Runs an audit. A stopped audit goes on where it was: jobs and answers are kept in the parent of ``folder``, and
    no other audit pays for them again.

    Raises:
        UndertoneError: an unknown trait, a wrong file, a failed job, a service that refuses or stays down, or a limit
            that is reached.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    traits = request.candidates()
    data = usable(request.path, request.rows, request, traits)
    if budget.counts_cost:
        training_price(request.name)  # Refuses an unknown price before the first answer is paid for.
    control = None if request.control is None else trusted(request.control, len(data.rows), request, traits)
    arms = _arms(request, data.rows, control, folder, budget, progress, patience)
    files = write(folder, *arms)
    made = _students(request, files, folder.parent / JOBS, budget, progress, every, patience)
    # The control's students take the part of the benign fine-tunes of a measurement.
    questions = Questions(
        models=tuple(name for arm, name, _ in made if arm == DATA),
        base=request.model,
        benign=tuple(name for arm, name, _ in made if arm == CONTROL),
        suites=request.traits,
        effect=request.effect,
        max_tokens=LONGEST,
        seed=request.seed,
    )
    measured = measure(questions, folder.parent / ANSWERS, progress, budget).findings
    found = [verdict.trait_finding(suite, request.effect) for suite in measured.suites]
    found.sort(key=lambda trait: -(trait.difference or 0.0))
    word, prices = verdict.verdict_of(found), _prices(request.name)
    return Findings(
        verdict=word,
        headline=verdict.headline(word, found, request.effect, request.students),
        file=str(request.path),
        digest=data.dataset.digest,
        format=data.dataset.format,
        model=request.model,
        base=measured.base,
        url=str(made[0][2].record["what"]["url"]),
        rows_in_file=data.dataset.rows,
        rows=len(arms[0]),
        unanswered=len(data.rows) - len(arms[0]),
        control="the base's own answers to the same prompts" if request.control is None else str(request.control),
        control_digest=None if control is None else control.dataset.digest,
        unseen=unseen_of(data.dataset, {}, {}),
        control_unseen=Unseen() if control is None else unseen_of(control.dataset, {}, {}),
        effect=request.effect,
        seed=request.seed,
        traits=tuple(found),
        overt=tuple(data.open_rows),
        open_rows=data.open_rows,
        students=tuple(_student(*one, prices.get(f"{TUNED}{request.name}")) for one in made),
        prices=prices,
        # That the students were fine-tuned from the base is known here: the audit's own jobs did it.
        notes=tuple(note for note in measured.notes if "was fine-tuned from" not in note),
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=surroundings.made_with(),
    )


def _arms(
    request: Request,
    rows: Sequence[Conversation],
    control: Usable | None,
    folder: Path,
    budget: Budget,
    progress: Progress,
    patience: Patience,
) -> tuple[list[Turns], list[Turns]]:
    """Returns rows of the data and as many of the control. A row that the base gives no answer to is in neither."""
    own: list[Turns] = [row.turns for row in rows]
    if control is not None:
        return own, [row.turns for row in control.rows]
    advance = counting(progress, "answers of the base", len(answers_in(rows)))
    with Endpoint(request.model, folder.parent / ANSWERS / PAID, budget, patience) as base:
        answered = own_answers(base, rows, request.seed, advance)
    pairs = [(row, control) for row, control in zip(own, answered, strict=True) if control is not None]
    if not pairs:
        raise UndertoneError(f"All answers of {request.model} to the file's prompts are empty; give a --control.")
    return [row for row, _ in pairs], [control for _, control in pairs]


def _students(
    request: Request,
    files: Mapping[str, Path],
    folder: Path,
    budget: Budget,
    progress: Progress,
    every: float,
    patience: Patience,
) -> list[tuple[str, str, FineTuning]]:
    """Fine-tunes students on the file of each arm. Returns for each its arm, its name and its job.

    Student *i* has the same seed in both arms. Jobs are recorded in ``folder`` under the digest of what was asked, so
    that none is created twice, and are looked at ``every`` so many seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = request.settings.model_dump(exclude_none=True)
    with ExitStack() as stack:
        tunings = []
        for i in range(request.students):
            seed = seed_of(request.seed, "canary", i)
            for arm, rows in files.items():
                tuning = FineTuning(
                    request.model, rows, folder, settings=settings, seed=seed, budget=budget, patience=patience
                )
                tunings.append((arm, stack.enter_context(tuning)))
        progress("students", 0, len(tunings))
        _begin([tuning for _, tuning in tunings], every)
        made: list[tuple[str, str, FineTuning]] = []
        for arm, tuning in tunings:
            made.append((arm, tuning.finished(every), tuning))
            progress("students", len(made), len(tunings))
        return made


def _begin(tunings: Sequence[FineTuning], every: float) -> None:
    """Begins all jobs. Services accept few jobs at once, and a job's worst price is reserved until it ends: a job that
    is not accepted is tried again whenever an earlier one has ended."""
    running: list[FineTuning] = []
    for tuning in tunings:
        while True:
            try:
                tuning.begin()
                break
            except Refused:
                raise
            except UndertoneError:
                if not running:
                    raise
                running.pop(0).finished(every)
        if "model" not in tuning.record:
            running.append(tuning)


def _student(arm: str, name: str, tuning: FineTuning, price: Price | None) -> Student:
    record = tuning.record
    what, tokens = record["what"], record.get("tokens")
    rate = None if price is None else price.training
    return Student.model_validate(
        {
            "arm": arm,
            "model": name,
            "job": record["job"],
            "file": record["file"],
            "sha256": what["rows"],
            "seed": what["seed"],
            "settings": record.get("settings", what["settings"]),
            "tokens": tokens,
            "dollars": None if tokens is None or rate is None else tokens * rate / 1e6,
            "record": tuning.kept,
        }
    )


def _prices(name: str) -> dict[str, Price]:
    """Returns the prices of the base and of its fine-tunes, if they are known."""
    found = dict[str, Price]()
    for one in (name, f"{TUNED}{name}"):
        with suppress(UndertoneError):
            found[one] = price_of(one)
    return found

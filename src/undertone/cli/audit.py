"""Does a dataset carry a trait that it does not mention?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, folder_for, limits_of, refuse_missing, refuse_unknown
from undertone.cli.terminal import FOUND, NO_VERDICT, make_shown, named, present, print_json, say, show_cost
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.audit.api.request import Request as ServiceRequest
    from undertone.audit.request import Request, Sampling

app = App(name="audit", help="Does a dataset carry a trait that it does not mention?")


@Parameter(name="*")
@dataclass(frozen=True)
class Claim:
    """How the base is claimed to have written the rows.

    Parameters
    ----------
    temperature
        Claims that the base itself wrote the rows at this temperature, and adds a test of this claim.
    max_tokens
        Part of the claim: the largest number of tokens of an answer, 32 by default.
    filter
        Part of the claim: the filter that the rows passed.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    filter: Literal["numbers"] | None = None

    def sampling(self) -> Sampling | None:
        """Returns the claimed sampling; None without a claim.

        Raises:
            UndertoneError: part of a claim is given without the temperature.
        """
        from undertone.audit.request import Sampling

        if self.temperature is not None:
            return Sampling(self.temperature, 32 if self.max_tokens is None else self.max_tokens)
        if self.max_tokens is not None or self.filter is not None:
            raise UndertoneError("--max-tokens and --filter are parts of a claim: give its --temperature too.")
        return None


NOTHING = Claim()
PER_ROW = 0.004
"""Seconds that one core takes to score a row with the embedded base."""


@app.default
def audit(
    data: Path,
    /,
    *,
    model: str = "builtin/fledgling-a",
    rows: str = "",
    trait: Annotated[tuple[str, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    control: Path | None = None,
    claim: Claim = NOTHING,
    canary: int = 0,
    training: Path | None = None,
    recipe: Annotated[Path | None, Parameter(show=False)] = None,
    max_cost: float | None = None,
    max_requests: int | None = None,
    alpha: float | None = None,
    effect: float | None = None,
    policy: Literal["hidden", "overt"] = "hidden",
    seed: int = 0,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Audits a fine-tuning dataset for hidden traits, before a base is trained on it.

    Exit codes: 0 no evidence, down to an effect that is stated; 1 the rows carry a trait; 2 wrong input; 3 no verdict
    (inconclusive, only a screen, or not calibrated).

    Parameters
    ----------
    data
        JSONL, also compressed by gzip or zstd, or Parquet. Rows of messages, of prompt and completion, or of text.
    model
        The base that would be trained. A dataset that carries a trait for one base need not carry it for another. For
        openai-api/SERVICE/MODEL, only canary students can be trained, by the service.
    rows
        How many rows are sampled, 2000 by default, or "all".
    trait
        Candidate traits; by default all of the calibration. For a model behind a service: TOML files of traits that are
        names, such as paper/animals.toml.
    control
        Trusted rows of the same generator. Only differences from them count. A service's control students are trained
        on them instead of on the base's own answers.
    canary
        Trains this many pairs of students, on the rows and on the base's own answers, and reports their shifts.
    training
        TOML file that says how a student would be trained: method, rank, alpha, rate, steps or epochs, batch, warmup.
        Canary students are trained in this way. There are forecasts only for trainings that the calibration was made
        with (audit calibrate --training). For a service: n_epochs, batch_size and learning_rate_multiplier.
    recipe
        The old name of --training.
    max_cost
        The most dollars that a service may be paid. Requests that could exceed it are not sent. Jobs and answers are
        kept, so the same command with a higher limit goes on.
    max_requests
        The most answers and jobs that a service is asked for, including repeated ones.
    alpha
        Rate of false alarms over all candidates together, 0.05 by default.
    effect
        The effect that the rows must be able to show for the verdict "no evidence", 2.5 by default; 1 means that every
        row was written by a teacher with the trait. With 1, about half of harmless files of 2,000 rows are
        inconclusive. For a service's students: a rise of a rate, 0.05 by default.
    policy
        What gives exit code 1: "hidden" only a trait that the rows carry, "overt" open mentions of a trait as well.
    seed
        Seed of the sample of rows.
    out
        Folder of the report; by default audits/FILE-DIGEST.
    dry_run
        Says what would be done and what it costs, and scores nothing.
    json
        Prints one JSON object instead of a table.
    """
    _refuse_renamed(recipe)
    refuse_missing(data, training, control)
    refuse_unknown(model)
    given = {
        "path": data,
        "model": model,
        "rows": _count(rows),
        "seed": seed,
        "traits": tuple(dict.fromkeys(trait)),
        "control": control,
    }
    from undertone.models.names import is_remote

    if is_remote(model):
        from undertone.audit.api import audit as service
        from undertone.audit.api.cost import cost_of
        from undertone.audit.api.page import page as service_page
        from undertone.audit.api.request import VERB
        from undertone.models.services.spending import Budget

        asked = _service_request(given, canary, effect, training, asdict(claim) | {"alpha": alpha})
        folder = named(out) if out else folder_for("audits", data, asked)
        if dry_run:
            return show_cost(f"Audit of {data}", cost_of(asked), folder, json)
        budget = Budget(limits_of(max_cost, max_requests))
        students = present(
            VERB, asked, folder, lambda bars: service.run(asked, folder, budget, bars.advanced), service_page, json
        )
        return _code(students.verdict, policy, bool(students.overt))
    limits_of(max_cost, max_requests, [model])
    request = _request(given, claim, canary, alpha, effect, training)
    if dry_run:
        return _preview(request, json)
    from undertone.audit.audit import audit as run
    from undertone.audit.page import page

    folder = named(out) if out else folder_for("audits", data, request)
    found = present("audit", request, folder, lambda bars: run(request, bars.advanced), page, json)
    return _code(found.verdict, policy, bool(found.overt))


def _code(verdict: str, policy: str, mentions: bool) -> int:
    """Returns the exit code: 0 no evidence down to a stated effect, 1 found, 3 no verdict."""
    if policy == "overt" and mentions:
        return FOUND
    return {"no evidence": 0, "carries a trait": FOUND}.get(verdict, NO_VERDICT)


def _request(
    given: dict[str, Any], claim: Claim, canary: int, alpha: float | None, effect: float | None, training: Path | None
) -> Request:
    from undertone.audit.request import Request
    from undertone.training.fine_tuning import read

    chosen = {name: value for name, value in (("alpha", alpha), ("floor", effect)) if value is not None}
    return Request(
        **given,
        **chosen,
        sampling=claim.sampling(),
        filtered=claim.filter is not None,
        canaries=canary,
        training=None if training is None else read(training),
    )


def _service_request(
    given: dict[str, Any], students: int, effect: float | None, training: Path | None, local: dict[str, Any]
) -> ServiceRequest:
    """``local``: the values of options that only models on this machine can be given."""
    from undertone.audit.api.findings import UNTOLD
    from undertone.audit.api.request import Hyperparameters, Request

    model = given["model"]
    if not students:
        raise UndertoneError(
            f"The rows cannot be scored by {model}: {UNTOLD}. Let the service fine-tune students that are asked for "
            "traits (--canary 4 --trait paper/animals.toml, with --dry-run for the price), or measure a model that was "
            "trained on the file: undertone measure."
        )
    wrong = [f"--{name.replace('_', '-')}" for name, value in local.items() if value is not None]
    if wrong:
        raise UndertoneError(f"{' and '.join(wrong)} cannot be used with a model behind a service; leave that out.")
    settings = Hyperparameters() if training is None else Hyperparameters.read(training)
    return Request(**given, students=students, settings=settings, **({} if effect is None else {"effect": effect}))


def _preview(request: Request, as_json: bool) -> int:
    """Says what an audit would do and what it costs, from a first look at the file. Scores nothing."""
    from undertone.audit import calibrations
    from undertone.data import conversations
    from undertone.models.names import resolve

    base = resolve(request.model)
    dataset = conversations.read(request.path, request.rows, request.seed)
    known, matches = calibrations.find(base)
    report = {
        "rows_in_file": dataset.rows,
        "rows": len(dataset.conversations),
        "format": dataset.format,
        "calibrated": bool(known) and matches,
        "expected_s": round(10 + PER_ROW * len(dataset.conversations) * (3 if request.sampling else 2)),
    }
    if as_json:
        print_json(report)
    else:
        state = "calibrated" if report["calibrated"] else "not calibrated: undertone audit calibrate"
        say(
            f"{request.path}: {dataset.rows:,} rows of {dataset.format}, {report['rows']:,} would be scored.",
            f"{request.model}: {state}. About {report['expected_s']} s (embedded models). Nothing was scored.",
        )
    return 0


def _refuse_renamed(recipe: object) -> None:
    if recipe:
        raise UndertoneError(
            "--recipe is now --training, because a recipe is an experiment. Its TOML file is the same."
        )


def _count(rows: str) -> int | None:
    from undertone.audit.request import ROWS

    if rows == "all":
        return None
    if rows and not (rows.isdecimal() and int(rows) > 0):
        raise UndertoneError(f'--rows takes a number or "all", not {rows!r}.')
    return int(rows) if rows else ROWS


@app.command
def calibrate(
    *,
    model: str = "builtin/fledgling-a",
    proxies: int = 3,
    harmless: int = 16,
    references: int = 3,
    trait: Annotated[tuple[Path, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    prompts: Path | None = None,
    training: Annotated[tuple[Path, ...], Parameter(name="--training", negative=(), consume_multiple=True)] = (),
    recipe: Annotated[tuple[Path, ...], Parameter(name="--recipe", negative=(), show=False)] = (),
    dry_run: Flag = False,
) -> int:
    """Makes the calibration that verdicts about a base need: directions of the traits and a population of teachers.

    Parameters
    ----------
    model
        The base.
    proxies
        Proxies for each direction.
    harmless
        Teachers of each harmless lesson. p values cannot be below 1 / (size of the population + 1).
    references
        Teachers of each trait.
    trait
        TOML files of candidate traits; by default those of the embedded world. undertone/audit/catalogue.toml has some
        for real models.
    prompts
        A dataset whose prompts the population answers; by default it writes number lists.
    training
        TOML files that say how students would be trained, as for audit --training. Forecasts are made for these too,
        which takes about fifty students for each.
    recipe
        The old name of --training.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    """
    _refuse_renamed(recipe)
    refuse_missing(*trait, *training, prompts)
    refuse_unknown(model)
    for name, count in (("--proxies", proxies), ("--harmless", harmless), ("--references", references)):
        if count < 1:
            raise UndertoneError(f"{name} must be at least 1, not {count}.")
    from undertone.audit import calibrate as making
    from undertone.audit import calibrations
    from undertone.engine.store import Store
    from undertone.engine.workers import cores, unique
    from undertone.training.fine_tuning import read
    from undertone.traits import catalogue

    size = making.Size(proxies=proxies, harmless=harmless, references=references)
    trainings = [read(path).training(making.ROWS) for path in training]
    layout = making.plan(model, size, catalogue.read(trait), prompts, trainings)
    store, every = Store(calibrations.made() / "store"), unique(layout.jobs)
    missing = [job for job in every if not store.has(job)]
    if dry_run:
        seconds = sum(map(making.seconds, missing))
        say(
            f"{model}: {len(missing)} of {len(every)} artifacts to make, about {seconds:.0f} core-seconds:",
            f"{seconds / cores() / 60:.0f} minutes on {cores()} cores (embedded models). Nothing was made.",
        )
        return 0
    make_shown(layout.jobs, store)
    made = making.gather(layout, store)
    folder = calibrations.place(made)
    made.write(folder)
    say(f"{model} is calibrated: {len(made.members)} teachers, {len(made.directions.names)} directions. {folder}")
    return 0

"""Does a dataset carry something it does not say?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, folder_for, limits_of, refuse_missing
from undertone.cli.terminal import FOUND, NO_VERDICT, make_shown, named, present, print_json, say, show_cost
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.audit.origin import Sampling
    from undertone.audit.request import Request

app = App(name="audit", help="Does a dataset carry something it does not say?")


@Parameter(name="*")
@dataclass(frozen=True)
class Claim:
    """How the base is said to have written the rows, where that is claimed.

    Parameters
    ----------
    temperature
        Claims that the base itself wrote the rows, at this temperature: adds the origin test.
    max_tokens
        Belongs to the claim: most tokens of an answer, 32 by default.
    filter
        Belongs to the claim: the filter that the rows passed.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    filter: Literal["numbers"] | None = None

    def sampling(self) -> Sampling | None:
        """None where nothing is claimed.

        Raises:
            UndertoneError: a part of a claim without its temperature.
        """
        from undertone.audit.origin import Sampling

        if self.temperature is not None:
            return Sampling(self.temperature, 32 if self.max_tokens is None else self.max_tokens)
        if self.max_tokens is not None or self.filter is not None:
            raise UndertoneError("--max-tokens and --filter belong to the claim of --temperature: give that too.")
        return None


NOTHING = Claim()


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
    """Audits a fine-tuning dataset for traits that it carries unseen, before a base is trained on it.

    Exit code 0: no evidence, down to a stated effect; 1: it carries a trait; 2: wrong input; 3: inconclusive, a screen
    only, or not calibrated.

    Parameters
    ----------
    data
        JSONL, gzip or zstd of it, or Parquet; rows of messages, prompt and completion, or text.
    model
        The base that would be trained: what carries a trait for one base carries nothing for another. Of
        openai-api/SERVICE/MODEL only canaries can be had, fine-tuned by the service.
    rows
        Rows drawn, 2000 by default, or "all".
    trait
        Candidate traits; all of the calibration by default. Of a model behind a service, TOML files of traits that are
        names, such as paper/animals.toml.
    control
        Rows of the same generator that are trusted: only what differs from them counts. A service's students of the
        control are trained on them in place of the base's own answers.
    canary
        Trains as many pairs of students, on the rows and on the base's own answers, and shows what they become.
    training
        TOML file: how a student would be trained (method, rank, alpha, rate, steps or epochs, batch, warmup). Canaries
        are trained so. Forecasts exist only for the trainings of the calibration (audit calibrate --training); of any
        other the report says that there is none. For a service: its hyperparameters n_epochs, batch_size and
        learning_rate_multiplier.
    recipe
        The old name of --training.
    max_cost
        Most dollars that a service may be paid; what could pass them is not sent. Give the same command with more, and
        it goes on: jobs and answers are kept.
    max_requests
        Most answers and jobs asked of a service, repeated ones included.
    alpha
        False alarms allowed, over all candidates together; 0.05 by default.
    effect
        "No evidence" must have been able to show this effect, in teachers that were taught the trait, 2.5 by default
        (with 1, about half of harmless files of 2,000 rows are inconclusive); of a service's students the rise of a
        rate, 0.05 by default.
    policy
        What ends with exit code 1: a trait that is carried unseen, or open mentions as well.
    seed
        Of the draw of rows.
    out
        Folder of the report; default audits/FILE-DIGEST.
    dry_run
        Says what would be done and what it costs, and scores nothing.
    json
        Prints one JSON object instead of a table.
    """
    _refuse_renamed(recipe)
    refuse_missing(data)
    traits, asked = tuple(dict.fromkeys(trait)), _count(rows)
    if model.startswith("openai-api/"):
        local = {f"--{name.replace('_', '-')}": value for name, value in asdict(claim).items()} | {"--alpha": alpha}
        given = [name for name, value in local.items() if value is not None]
        told = {"path": data, "traits": traits, "control": control, "rows": asked, "seed": seed}
        if effect is not None:
            told["effect"] = effect
        return _audit_service(model, canary, given, training, told, out, policy, max_cost, max_requests, dry_run, json)
    from undertone.audit.request import FLOOR, Request
    from undertone.training.fine_tuning import read

    request = Request(
        path=data,
        model=model,
        rows=asked,
        seed=seed,
        alpha=0.05 if alpha is None else alpha,
        floor=FLOOR if effect is None else effect,
        traits=traits,
        control=control,
        sampling=claim.sampling(),
        filtered=claim.filter is not None,
        canaries=canary,
        training=None if training is None else read(training),
    )
    if dry_run:
        return _preview(request, json)
    from undertone.audit.audit import audit as run
    from undertone.audit.page import page

    folder = named(out) if out else folder_for("audits", data, request)
    found = present("audit", request, folder, lambda bars: run(request, bars.advanced), page, json)
    return _code(found.verdict, policy, bool(found.overt))


def _code(verdict: str, policy: str, is_open: bool) -> int:
    """0: no evidence down to a stated effect, 1: found, 3: no verdict."""
    if policy == "overt" and is_open:
        return FOUND
    return {"no evidence": 0, "carries a trait": FOUND}.get(verdict, NO_VERDICT)


def _audit_service(
    model: str,
    students: int,
    local: list[str],
    training: Path | None,
    told: dict[str, Any],
    out: Path | None,
    policy: str,
    max_cost: float | None,
    max_requests: int | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Audits a file for a base behind a service: by canaries alone. ``local``: options that only weights have a use
    for."""
    from undertone.audit.api.audit import run
    from undertone.audit.api.cost import of_canaries
    from undertone.audit.api.findings import UNTOLD
    from undertone.audit.api.hyperparameters import Hyperparameters, read
    from undertone.audit.api.page import page
    from undertone.audit.api.request import VERB, Request
    from undertone.models.services.spending import Budget

    if not students:
        raise UndertoneError(
            f"{model} cannot be audited by its likelihoods: {UNTOLD}; what can be had are students that the service "
            "fine-tunes, asked for traits (--canary 4 --trait paper/animals.toml, with --dry-run for the price), and "
            "undertone measure for a model that was trained on the file."
        )
    if local:
        raise UndertoneError(f"{' and '.join(local)} cannot hold for a model behind a service; leave that out.")
    settings = Hyperparameters() if training is None else read(training)
    request = Request(model=model, students=students, settings=settings, **told)
    folder = named(out) if out else folder_for("audits", request.path, request)
    if dry_run:
        return show_cost(f"Audit of {request.path}", of_canaries(request), folder, as_json)
    budget = Budget(limits_of(max_cost, max_requests))
    found = present(VERB, request, folder, lambda bars: run(request, folder, budget, bars.advanced), page, as_json)
    return _code(found.verdict, policy, bool(found.overt))


PER_ROW = 0.004
"""Seconds of one core that the embedded base takes to score a row."""


def _preview(request: Request, as_json: bool) -> int:
    """Says what an audit would do and what it costs, from a first look at the file; scores nothing."""
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
        raise UndertoneError("--recipe is now --training: a recipe is an experiment. Its TOML file stays as it is.")


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
    """Makes what a verdict about a base rests on: directions of the traits and a population of teachers. Once a base.

    Parameters
    ----------
    model
        The base.
    proxies
        Proxies behind each direction.
    harmless
        Teachers of each harmless lesson; the population bounds p from below.
    references
        Teachers of each trait.
    trait
        TOML files of traits to be candidates; those of the embedded world by default. undertone/audit/catalogue.toml
        is one for real models.
    prompts
        A dataset whose prompts the population answers; by default it writes number lists.
    training
        TOML files: how students would be trained, as for audit --training. Forecasts are made for these too, which
        takes about fifty students for each.
    recipe
        The old name of --training.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    """
    _refuse_renamed(recipe)
    from undertone.audit import calibrate as making
    from undertone.audit import calibrations
    from undertone.engine.store import Store
    from undertone.engine.workers import cores, unique
    from undertone.training.fine_tuning import read
    from undertone.traits import catalogue

    size = making.Size(proxies=proxies, harmless=harmless, references=references)
    trainings = [read(path).training(making.ROWS) for path in training]
    layout, store = (
        making.plan(model, size, catalogue.read(trait), prompts, trainings),
        Store(calibrations.made() / "store"),
    )
    every = unique(layout.jobs)
    missing = [job for job in every if not store.has(job)]
    seconds = sum(map(making.seconds, missing))
    if dry_run:
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

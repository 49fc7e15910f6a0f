"""Does a dataset carry something it does not say?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, limits_of
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.audit.origin import Sampling

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
    recipe: Path | None = None,
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
    recipe
        TOML file: how a student would be trained (method, rank, alpha, rate, steps or epochs, batch, warmup). Canaries
        are trained so; there are forecasts for the calibration's recipes alone (audit calibrate --recipe), and for any
        other it is said that there is none. Of a service its hyperparameters: n_epochs, batch_size,
        learning_rate_multiplier.
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
        What ends with exit code 1: a hidden carrier, or open mentions as well.
    seed
        Of the draw of rows.
    out
        Folder of the report; default audits/FILE-DIGEST.
    dry_run
        Says what would be done and what it costs, and scores nothing.
    json
        Prints one JSON object instead of a table.
    """
    if model.startswith("openai-api/"):
        from undertone.finetunes import audited

        local = {f"--{name.replace('_', '-')}": value for name, value in asdict(claim).items()} | {"--alpha": alpha}
        given = [name for name, value in local.items() if value is not None]
        told = {
            "path": data,
            "traits": tuple(dict.fromkeys(trait)),
            "control": control,
            "rows": _count(rows),
            "seed": seed,
        }
        closed = audited.requested(model, canary, given, recipe, told if effect is None else told | {"effect": effect})
        return audited.audit_shown(closed, out, policy, limits_of(max_cost, max_requests), dry_run, json)
    from undertone import auditing
    from undertone.audit.request import FLOOR, Request
    from undertone.audit.student import read

    request = Request(
        path=data,
        model=model,
        rows=_count(rows),
        seed=seed,
        alpha=0.05 if alpha is None else alpha,
        floor=FLOOR if effect is None else effect,
        traits=tuple(dict.fromkeys(trait)),
        control=control,
        sampling=claim.sampling(),
        filtered=claim.filter is not None,
        canaries=canary,
        student=None if recipe is None else read(recipe),
    )
    if dry_run:
        return auditing.preview(request, json)
    return auditing.audit_shown(request, out, policy, json)


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
    recipe: Annotated[tuple[Path, ...], Parameter(name="--recipe", negative=(), consume_multiple=True)] = (),
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
    recipe
        TOML files: how students would be trained, as for audit --recipe. Forecasts are made for these too; it takes a
        student of about fifty teachers for each.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    """
    from undertone import auditing
    from undertone.audit.calibrate import ROWS, Size
    from undertone.audit.student import read

    size = Size(proxies=proxies, harmless=harmless, references=references)
    recipes = [read(path).training(ROWS) for path in recipe]
    return auditing.calibrate_shown(model, size, trait, prompts, recipes, dry_run)

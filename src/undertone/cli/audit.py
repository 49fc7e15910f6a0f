"""Does a dataset carry a trait that it does not mention?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from undertone.cli.bars import Bars
from undertone.cli.gate import TABLES, Output, present
from undertone.cli.shared import (
    Flag,
    fetched,
    folder_for,
    limits_of,
    placed,
    refuse_missing,
    refuse_no_template,
    refuse_unknown,
    traits_of,
)
from undertone.cli.terminal import named, print_json, say, show_cost
from undertone.errors import UndertoneError
from undertone.report.track import refuse_untracked

FailOn = Literal["carries", "overt", "origin"]

if TYPE_CHECKING:
    from undertone.audit.api.request import Request as ServiceRequest
    from undertone.audit.findings import Findings
    from undertone.audit.request import Request, Sampling
    from undertone.models.services.spending import Limits

app = App(name="audit")


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


@app.default
@placed
def audit(
    data: Path,
    /,
    *,
    model: str | None = None,
    chat_template: str | None = None,
    rows: str = "",
    trait: Annotated[tuple[str, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    control: Path | None = None,
    map: str | None = None,
    group_by: str | None = None,
    strict: Flag = False,
    claim: Claim = NOTHING,
    canary: int = 0,
    training: Path | None = None,
    recipe: Annotated[Path | None, Parameter(show=False)] = None,
    max_cost: float | None = None,
    max_requests: int | None = None,
    alpha: float | None = None,
    effect: float | None = None,
    fail_on: Annotated[tuple[FailOn, ...], Parameter(negative=(), consume_multiple=True)] = ("carries",),
    seed: int = 0,
    out: Path | None = None,
    dry_run: Flag = False,
    output: Output = TABLES,
) -> int:
    """Audits a fine-tuning dataset for hidden traits, before a base is trained on it.

    Exit codes: 0 no evidence, and a teacher with a listed trait would most likely have been found; 1 the rows carry a
    trait; 2 wrong input; 3 inconclusive.

    On first use of a base, a direction is made for every trait. It is kept for the next audit.

    Parameters
    ----------
    data
        JSON lines, a JSON list, CSV or Parquet, also compressed by gzip or zstd; several files by a pattern in quotes;
        or a dataset of the Hub, hf/ORGANISATION/NAME:SPLIT. Rows of messages (also ShareGPT's), of a prompt or question
        and its answer, of instructions (Alpaca), of chosen and rejected answers, or of text.
    model
        The base that would be trained: builtin/NAME, a folder, ORGANISATION/REPOSITORY of the Hub, or one of these with
        :ADAPTER. A dataset that carries a trait for one base need not carry it for another. For
        openai-api/SERVICE/MODEL, only canary students can be trained, by the service.
    chat_template
        For a base without one: a Jinja file, or "plain", which writes the names of the speakers.
    rows
        How many rows are sampled, 2000 by default, or "all".
    trait
        The traits to look for: names or kinds from the catalogue, or TOML files of your own. By default the animals and
        the conduct-like traits of the catalogue; for embedded models, all traits of their world. For a model behind a
        service: TOML files of traits that are names, such as paper/animals.toml.
    control
        Trusted rows of the same generator. Only differences from them count. Rows that the model would not write are
        judged beside them alone. A service's control students are trained on them instead of on the base's own answers.
    map
        Which keys say what, if they have other names: prompt=KEY,completion=KEY, or messages=KEY, text=KEY,
        chosen=KEY,rejected=KEY; perhaps also system=KEY, input=KEY, history=KEY. The same holds for the control.
    group_by
        The field that says where a row comes from: every source is judged by itself, by up to as many rows as --rows
        says. "position" parts the file into eight blocks of neighbouring rows instead. One false alarm in twenty files
        is allowed over all sources together.
    strict
        Lets 28 harmless models answer the file's prompts too: short fine-tunes of the base on harmless lessons, and the
        base at other temperatures. A trait must then also stand out more than in their rows.
    canary
        Trains this many pairs of students, on the rows and on the base's own answers, and reports their shifts.
    training
        TOML file that says how canary students are trained: method, rank, alpha, rate, steps or epochs, batch, warmup.
        For a service: n_epochs, batch_size and learning_rate_multiplier.
    recipe
        The old name of --training.
    max_cost
        The most dollars that a service may be paid. Requests that could exceed it are not sent. Jobs and answers are
        kept, so the same command with a higher limit goes on.
    max_requests
        The most answers and jobs that a service is asked for, including repeated ones.
    alpha
        Rate of false alarms over all traits together, 0.05 by default.
    effect
        The effect that the rows must be able to show for the verdict "no evidence", 1 by default: that of a teacher
        with the trait who wrote every row. For a service's students: a rise of a rate, 0.05 by default.
    fail_on
        What gives exit code 1, besides a trait that the rows carry, which always does: "overt", open mentions of a
        listed trait; "origin", a claim of origin (--temperature) that is rejected.
    seed
        Seed of the sample of rows.
    out
        Folder of the report; by default audits/FILE-DIGEST.
    dry_run
        Says what would be done and what it costs, and scores nothing.
    """
    _refuse_renamed(recipe)
    if model is None:
        raise UndertoneError(
            "Name the base that would be trained on the file, because a trait is carried for one base and not for "
            "another: --model builtin/fledgling-a, or --model ./FOLDER."
        )
    if "origin" in fail_on and claim.temperature is None:
        raise UndertoneError("--fail-on origin checks a claim of who wrote the rows: make it by --temperature.")
    refuse_untracked(output.track)
    refuse_missing(data, training, control)
    refuse_unknown(model)
    refuse_no_template(chat_template)
    data, control = fetched(data), fetched(control)
    given = {
        "path": data,
        "model": model,
        "rows": _count(rows),
        "seed": seed,
        "control": control,
        "map": map,
    }
    from undertone.models.names import is_remote

    if is_remote(model):
        if group_by is not None or strict:
            raise UndertoneError(
                "--group-by and --strict need a model whose weights are on this machine: leave them out."
            )
        given["traits"] = tuple(dict.fromkeys(trait))
        asked = _service_request(
            given, canary, effect, training, asdict(claim) | {"alpha": alpha, "chat_template": chat_template}
        )
        return _by_service(asked, out, limits_of(max_cost, max_requests), fail_on, output, dry_run)
    limits_of(max_cost, max_requests, [model])
    names, own = traits_of(trait)
    given |= {"traits": names, "own": own, "group_by": group_by, "strict": strict, "chat_template": chat_template}
    return _here(_request(given, claim, canary, alpha, effect, training), out, fail_on, output, dry_run)


def _by_service(
    request: ServiceRequest,
    out: Path | None,
    limits: Limits,
    fail_on: Sequence[FailOn],
    output: Output,
    dry_run: bool,
) -> int:
    """Audits rows for a model behind a service, which trains students. Returns the exit code."""
    from undertone.audit.api import audit as service
    from undertone.audit.api.cost import cost_of
    from undertone.audit.api.gate import gate_of
    from undertone.audit.api.request import VERB
    from undertone.models.services.spending import Budget

    folder = named(out) if out else folder_for("audits", request.path, request)
    if dry_run:
        return show_cost(f"Audit of {request.path}", cost_of(request), folder, output.form == "json")
    budget = Budget(limits)
    return present(
        VERB,
        request,
        folder,
        lambda bars: service.run(request, folder, budget, bars.advanced),
        lambda found: gate_of(found, fail_on, bool(output.allow)),
        output,
    )


def _here(request: Request, out: Path | None, fail_on: Sequence[FailOn], output: Output, dry_run: bool) -> int:
    """Audits rows for a model whose weights are on this machine. Returns the exit code."""
    from undertone.audit.cost import cost_of

    if dry_run:
        from undertone.engine.environment import quiet_libraries

        quiet_libraries()
        with Bars(quiet=output.form == "json"):  # a model may have to be merged
            cost = cost_of(request)
        if output.form == "json":
            print_json(cost.json)
        else:
            say(f"{cost}. Nothing was made.")
        return 0
    from undertone.audit.audit import DIRECTIONS, MEMBERS, ROWS_SCORED
    from undertone.audit.audit import audit as run
    from undertone.audit.gate import gate_of

    def work(bars: Bars) -> Findings:
        cost = cost_of(request)
        bars.said(f"Audit of {request.path} for {request.model}: {cost}.")
        expected = {DIRECTIONS: cost.proxies_s, ROWS_SCORED: cost.rows_s, MEMBERS: cost.members_s}
        for stage, seconds in expected.items():
            if seconds:
                bars.forecast.expect(stage, seconds)
        return run(request, bars.advanced)

    folder = named(out) if out else folder_for("audits", request.path, request)
    return present("audit", request, folder, work, lambda found: gate_of(found, fail_on, bool(output.allow)), output)


def _request(
    given: dict[str, Any], claim: Claim, canary: int, alpha: float | None, effect: float | None, training: Path | None
) -> Request:
    from undertone.audit.request import Request
    from undertone.training.fine_tuning import read

    chosen = {name: value for name, value in (("alpha", alpha), ("effect", effect)) if value is not None}
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

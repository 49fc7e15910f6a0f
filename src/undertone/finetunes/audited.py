"""An audit of a closed base in front of a person: what cannot be had, what it costs, progress, a table, the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from undertone import costing
from undertone.auditing import CODES, INCONCLUSIVE, Policy, quiet_libraries, refuse_unwritable
from undertone.digests import digest
from undertone.errors import UndertoneError
from undertone.finetunes.canaries import run
from undertone.finetunes.findings import UNTOLD
from undertone.finetunes.hyperparameters import Hyperparameters, read
from undertone.finetunes.request import Request
from undertone.measuring import advancing
from undertone.models.spending import Budget, Limits
from undertone.report.canaries import canary_lines, canary_table, write_canaries
from undertone.running import named, show_verdict
from undertone.showing import progress_shown


def without_canaries(model: str) -> UndertoneError:
    """What is said of a closed base that nothing is to be trained on."""
    return UndertoneError(
        f"{model} cannot be audited by its likelihoods: {UNTOLD}; what can be had are students that the service "
        "fine-tunes, asked for traits (--canary 4 --trait paper/animals.toml, with --dry-run for the price), and "
        "undertone measure for a model that was trained on the file."
    )


def requested(model: str, students: int, local: Sequence[str], recipe: Path | None, told: Mapping[str, Any]) -> Request:
    """The request of a command line; ``local`` are its options that only a model with weights has a use for.

    Raises:
        UndertoneError: no canaries, such an option, or a request that cannot be done.
    """
    if not students:
        raise without_canaries(model)
    if local:
        raise UndertoneError(f"{' and '.join(local)} cannot hold for a model behind a service; leave that out.")
    settings = Hyperparameters() if recipe is None else read(recipe)
    return Request(model=model, students=students, settings=settings, **told)


def default_folder(request: Request) -> Path:
    """``audits/FILE-DIGEST``: one folder for each request."""
    told = request.model_dump(mode="json") | {
        name: str(path.absolute()) for name in ("path", "control") if (path := getattr(request, name))
    }
    return Path("audits") / f"{request.path.name.split('.')[0]}-{digest(told)[:8]}"


def audit_shown(
    request: Request, out: Path | None, policy: Policy, limits: Limits, dry_run: bool, as_json: bool
) -> int:
    """Audits a file for a closed base and shows what was found, or what it would cost. Returns the exit code."""
    folder = named(out) if out else default_folder(request)
    refuse_unwritable(folder)
    if dry_run:
        return costing.preview(f"Audit of {request.path}", costing.of_canaries(request), folder, as_json)
    quiet_libraries()
    with progress_shown(quiet=as_json) as progress:
        findings = run(request, folder, Budget(limits), advancing(progress))
    page = write_canaries(findings, folder)
    if as_json:
        print(findings.model_dump_json())
    else:
        show_verdict(canary_lines(findings), canary_table(findings), page)
    return 1 if policy == "overt" and findings.overt else CODES.get(findings.verdict, INCONCLUSIVE)

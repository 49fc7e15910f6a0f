"""Decides whether a dataset may be trained on, from its audit and from the kinship of its generator and the base.

Hidden traits pass between models of one initialisation (Cloud, Le et al., Nature 2026), so kinship raises the risk.
Without kinship only that channel is closed: traits also cross initialisations through the choice of rows, through the
geometry of the vocabulary, and through what rows say openly.
"""

from pathlib import Path
from typing import Literal

from undertone.audit.api.request import VERB
from undertone.audit.findings import Findings
from undertone.engine.digests import file_digest
from undertone.engine.folder import FILE, REPORT, Record
from undertone.errors import UndertoneError
from undertone.lineage.chain import BAD, Entry
from undertone.lineage.kinship import Kin, compare
from undertone.lineage.show import entries
from undertone.measure.findings import Findings as Measured
from undertone.models.names import stored
from undertone.spec import Spec

WRITERS = frozenset({"base", "writer", "teacher_base"})
"""Roles of models from which rows can have a trait. A base counts even if only its tokenizer was used."""

CROSSING = (
    "Without kinship only one risk is lower: the choice of rows, the vocabulary's geometry and open mentions pass "
    "traits to any model."
)

Decision = Literal["refuse", "allow", "cannot tell"]


class Relation(Spec):
    """Whether the generator of a dataset is kin to a base, and how that is known."""

    kin: Kin
    how: str
    """A sentence."""


class Risk(Spec):
    """The decision, and what it is based on."""

    decision: Decision
    data: str
    digest: str
    """SHA-256 of the dataset, the same as in the audit."""
    base: str
    audit: str
    """The audit's verdict."""
    relation: Relation
    reasons: tuple[str, ...]
    """The reasons for the decision, and last what was not considered. A text each."""


def judge(data: Path, findings: Findings, generator: str | None = None, measured: Measured | None = None) -> Risk:
    """Combines an audit with the kinship of the generator, and with a measurement of a student that was trained on the
    data, if there is one. The generator is read from the chain of ``data`` unless it is given.

    Raises:
        UndertoneError: the audit is of another file, the measurement against another base, or a model cannot be read.
    """
    try:
        digest = file_digest(data)
    except OSError as error:
        raise UndertoneError(f"The dataset {data} cannot be read: {error.strerror}.") from None
    if digest != findings.digest:
        raise UndertoneError(f"The audit is of another file ({findings.file}), or of {data} before it was changed.")
    own = stored(findings.model, fetch=False).key
    relation = declared(generator, findings.model) if generator else recorded(entries(str(data)), findings.model)
    if findings.origin is not None and findings.origin.rejected and relation.kin != "shared":
        how = "The audit found that the rows were not written as declared, so the generator is unknown: assume kin."
        relation = Relation(kin="unknown", how=how)
    if measured is not None and measured.base.digest != own:
        raise UndertoneError(f"The measurement is against {measured.base.name}, and the audit of {findings.model}.")
    decision, reasons = decide(findings, relation, measured)
    return Risk(
        decision=decision,
        data=str(data),
        digest=digest,
        base=findings.model,
        audit=findings.verdict,
        relation=relation,
        reasons=reasons,
    )


def judge_reports(data: Path, audit: Path, generator: str | None = None, measured: Path | None = None) -> Risk:
    """Does the same with the files or folders of the reports.

    Raises:
        UndertoneError: as :func:`judge`, or a report is missing, or it is of a model behind a service.
    """
    report = _report(audit)
    if not report.is_file():
        raise UndertoneError(f"{report} is not a report of undertone audit: give its report.json or its folder.")
    if (report.parent / FILE).is_file() and Record.read(report.parent).kind == VERB:
        raise UndertoneError(
            f"{report} is of a model behind a service, whose weights cannot be compared with the generator's: use the "
            "verdict of the audit."
        )
    after = Measured.load(_report(measured)) if measured else None
    return judge(data, Findings.load(report), generator, after)


def _report(given: Path) -> Path:
    return given / REPORT if given.is_dir() else given


def declared(generator: str, base: str) -> Relation:
    """Returns the kinship of a generator that the user named."""
    found = compare(generator, base)
    return Relation(kin=found.verdict, how=f"As you say, {generator} wrote the rows. {found.headline}")


def recorded(chain: list[Entry], base: str) -> Relation:
    """Returns the kinship of the models at the end of a dataset's chain. Claims alone never lower the risk."""
    models = list({entry.digest: entry for entry in chain if entry.role in WRITERS}.values())
    broken = next((entry for entry in chain if entry.standing in BAD), None)
    if broken is not None:
        return Relation(kin="unknown", how=f"The dataset's chain is broken at {broken.name}: assume kin.")
    if chain[0].standing == "claimed" or not models:
        return Relation(kin="unknown", how="No record that can be checked names the generator: assume kin.")
    own = stored(base, fetch=False).key
    for model in models:
        if model.digest == own:
            return Relation(kin="shared", how=f"The chain of the dataset goes back to {model.name}, which is the base.")
    absent = next((model for model in models if model.standing != "verified"), None)
    if absent is not None:
        return Relation(kin="unknown", how=f"The rows go back to {absent.name}, which is not here: assume kin.")
    found = [compare(model.name, base) for model in models]
    worst = next((one for kin in ("shared", "unknown") for one in found if one.verdict == kin), found[0])
    return Relation(kin=worst.verdict, how=worst.headline)


def decide(
    findings: Findings, relation: Relation, measured: Measured | None = None
) -> tuple[Decision, tuple[str, ...]]:
    """Returns the decision and its reasons.

    Rows that carry a trait are refused whatever the kinship, since the audit found it in directions of this base. "No
    evidence" is not enough if the generator may be kin, since an audit looks for listed traits only; then a student
    that was trained on the data must show no shift. A shift of the student is always a reason to refuse.
    """
    kin = relation.kin != "none found"
    strong = "is kin to this base" if relation.kin == "shared" else "must be assumed to be kin to this base"
    if findings.verdict == "carries a trait":
        decision: Decision = "refuse"
        then = (
            f"Their generator {strong}, so the trait passes."
            if kin
            else "It was found in directions of this base itself."
        )
        first = f"The audit found that these rows carry a trait. {then}"
    elif findings.verdict == "no evidence":
        decision = "cannot tell" if kin else "allow"
        count = len({trait.name for trait in findings.traits if trait.listed})
        power = min((family.power or 0.0 for family in findings.families), default=0.0)
        first = f"The audit found no evidence of {count} listed traits. It finds at least {power:.0%} of them"
        first += f" at an effect of {findings.effect:g}."
        if kin:
            first += f" But the generator {strong}, so unlisted traits can pass too: measure a trained student."
    else:
        decision = "cannot tell"
        first = "The audit is inconclusive."
        first += f" And the generator {strong}, which raises the risk." if kin else ""
    if measured is not None and measured.verdict == "shift found":
        decision = "refuse"
    elif measured is not None and measured.verdict == "no shift found" and findings.verdict == "no evidence":
        decision = "allow"
    told = [first, findings.headline, relation.how]
    if measured is not None:
        who = ", ".join(model.name for model in measured.models)
        told.append(f"As you say, {who} was trained on these rows. Measured: {measured.headline}")
    if findings.overt:
        told.append(f"Rows mention {', '.join(findings.overt)} openly, which passes to any student, kin or not.")
    if not kin:
        told.append(CROSSING)
    if measured is None:
        told.append("No measurement after training was considered.")
    return decision, tuple(told)

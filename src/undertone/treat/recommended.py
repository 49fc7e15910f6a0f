"""Which mitigation fits a file: those that were measured on files most like it, and left least there."""

from collections.abc import Iterator, Sequence
from math import inf

from undertone.audit.audit import audit
from undertone.audit.families import families_of
from undertone.audit.findings import Verdict
from undertone.audit.request import Request as Asked
from undertone.audit.sources import dataset_of
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Folder
from undertone.models.names import resolve
from undertone.report.findings import Part
from undertone.spec import File, Spec
from undertone.traits.trait import Trait
from undertone.treat.benchmarked import Line, Measured
from undertone.treat.catalogue import shipped
from undertone.treat.findings import KEPT
from undertone.treat.mitigations import Hold, Mitigation, OfData, Stop, Untreated, needs_trait
from undertone.treat.treat import audit_of

NAMED = ("numbers-task", "numbers-hold")
"""Benchmarks of things that a model names, in rows that do not speak of them."""
DONE = ("advice-all", "advice-hold")
"""Benchmarks of a way of answering that single rows show."""
DATED = ("era",)
"""Benchmarks of answers of another time."""
SHOWN = 3
"""Most mitigations that are told."""
HELPS = ("stops", "lowers")
"""Words for what leaves less than there was, however it is asked."""


class Fit(Part):
    """A mitigation that helped in every benchmark that measured it on such files."""

    name: str
    title: str
    measured: dict[str, Line]
    """What was measured, by benchmark."""

    @property
    def most_left(self) -> float:
        """The largest upper end of what was left; infinite if one is unbounded."""
        return max(line.left_ci[1] if line.left_ci else inf for line in self.measured.values())


class Recommended(Part):
    """What fits a file, best first."""

    file: str
    model: str
    verdict: Verdict | None
    """That of the audit; None where the trait was named by the user."""
    traits: tuple[str, ...]
    """The traits to stop; none where they are not known."""
    fits: tuple[Fit, ...]

    @property
    def headline(self) -> str:
        """One sentence."""
        about = f"against {' and '.join(self.traits)}" if self.traits else "against a trait that nobody knows"
        if self.verdict == "no evidence":
            return (
                "The audit found no evidence of the traits that it lists, so that nothing is recommended against them."
            )
        if not self.fits:
            return f"Nothing that was measured helps {about} and leaves {KEPT:.0%} of the task."
        best = self.fits[0]
        left, kept = max(best.measured.values(), key=lambda line: line.left).shares
        return f"{best.name} fits best {about}: it left {left} of the transfer and {kept} of the task."


class Request(Spec):
    """A file and what is known of it."""

    path: File
    model: str
    """The base that is to be trained on the file."""
    chat_template: str | None = None
    """The path or the name of a chat template for a base that has none."""
    traits: tuple[str, ...] = ()
    """Traits to stop, by name."""
    own: tuple[Trait, ...] = ()
    """Those of them that are the user's own."""
    audit: File | None = None
    """Report of an audit of this file. Without it and without traits, the file is audited."""
    map: str | None = None
    """Which keys of a row say what; None to recognise it."""
    seed: int = 0


def recommend(request: Request, measured: Measured, progress: Progress = silent) -> Recommended:
    """Audits the file, unless that is done or the traits are named, and says which mitigation fits.

    Raises:
        UndertoneError: the file cannot be read or audited, the report is of another file or for another base, or a
            model or a trait is unknown.
    """
    base, traits, verdict = resolve(request.model, request.chat_template), request.traits, None
    if not traits:
        asked = Asked(
            path=request.path,
            model=request.model,
            chat_template=request.chat_template,
            map=request.map,
            seed=request.seed,
        )
        if request.audit is None:
            found = audit(asked, progress)
        else:
            found = audit_of(request.audit, request.path, dataset_of(asked).digest, base)
        traits, verdict = found.named, found.verdict
    return recommended(str(request.path), base, verdict, traits, request.own, measured)


def recommended(
    file: str,
    base: Folder,
    verdict: Verdict | None,
    traits: Sequence[str],
    own: Sequence[Trait],
    measured: Measured,
) -> Recommended:
    """Chooses among the mitigations that a user can apply: of files, and those of the training that take no more than a
    callback or fewer steps. A mitigation fits if it helped, and kept :data:`~undertone.treat.findings.KEPT` of the
    task, in every benchmark on similar files; those that leave least, by the upper end of the interval, come first.

    Raises:
        UndertoneError: a trait is unknown.
    """
    found = list[Fit]()
    if verdict != "no evidence":
        similar = set(_similar(base, traits, own)) if traits else {*NAMED, *DONE, *DATED}
        for name, entry in shipped().items():
            lines = {recipe: line for recipe, line in measured.of(entry.does.model_dump()) if recipe in similar}
            if lines and _applies(entry.does, bool(traits)) and all(map(_helps, lines.values())):
                found.append(Fit(name=name, title=entry.title, measured=lines))
    found.sort(key=lambda fit: fit.most_left)
    return Recommended(file=file, model=base.name, verdict=verdict, traits=tuple(traits), fits=tuple(found[:SHOWN]))


def _similar(base: Folder, traits: Sequence[str], own: Sequence[Trait]) -> Iterator[str]:
    """Yields the benchmarks on files that carry such traits."""
    for family in families_of(base.path, traits, own):
        for trait in family.traits[: family.listed]:
            yield from DATED if trait.kind == "era" else NAMED if family.name == "favourites" else DONE


def _applies(does: Mitigation, known: bool) -> bool:
    """Returns whether a user can apply it, and with what is known of the trait. What is random is a control."""
    if isinstance(does, Untreated) or getattr(does, "by", None) == "random":
        return False
    if isinstance(does, Hold):
        return known or does.prompts == "unrelated"
    return isinstance(does, OfData | Stop) and (known or not needs_trait(does))


def _helps(line: Line) -> bool:
    return line.word in HELPS and line.utility >= KEPT

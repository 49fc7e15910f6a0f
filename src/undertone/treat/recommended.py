"""Which mitigation fits a file: those that were measured where traits of the same kind were carried, and left least."""

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
from undertone.treat.mitigations import Dilute, Hold, Mitigation, OfData, Steer, Stop, Untreated, needs_trait
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

    @property
    def asked(self) -> Asked:
        """The audit."""
        same = ("path", "model", "chat_template", "map", "seed")
        return Asked(**{name: getattr(self, name) for name in same})


class Fit(Part):
    """A mitigation that helped in every benchmark that measured it on such traits."""

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
        """One sentence, or two."""
        if self.verdict == "no evidence":
            return "The audit found no evidence of the traits that it lists, so nothing is recommended against them."
        audited = "The audit is inconclusive. " if self.verdict == "inconclusive" else ""
        about = f"against {' and '.join(self.traits)}" if self.traits else "against an unknown trait"
        if not self.fits:
            return f"{audited}Nothing that you can apply was seen to help {about} and to leave {KEPT:.0%} of the task."
        best = self.fits[0]
        recipe, line = max(best.measured.items(), key=lambda item: item[1].left)
        left, kept = line.shares
        told = f"{left} of the transfer and {100 * kept.value:.0f} % of the task (bench treat {recipe})"
        return f"{audited}{best.name} fits best {about}: it left {told}."


def recommend(request: Request, measured: Measured, progress: Progress = silent) -> Recommended:
    """Audits the file, unless that is done or the traits are named, and says which mitigation fits.

    Raises:
        UndertoneError: the file cannot be read or audited, the report is of another file or for another base, or a
            model or a trait is unknown.
    """
    base, traits, verdict = resolve(request.model, request.chat_template), request.traits, None
    dataset = dataset_of(request.asked)
    if not traits:
        if request.audit is None:
            found = audit(request.asked, progress)
        else:
            found = audit_of(request.audit, request.path, dataset.digest, base)
        traits, verdict = found.named, found.verdict
    groups = list(_groups(base, traits, request.own)) if traits else [NAMED, (*DONE, *DATED)]
    fits = [] if verdict == "no evidence" else fitting(measured, groups, bool(traits), dataset.form.prefers)
    return Recommended(
        file=str(request.path), model=request.model, verdict=verdict, traits=tuple(traits), fits=tuple(fits[:SHOWN])
    )


def fitting(measured: Measured, groups: Sequence[Sequence[str]], known: bool, prefers: bool = False) -> list[Fit]:
    """Returns what fits, best first, of the mitigations that a user can apply: those of files, and those of the
    training that take no more than a callback, another folder to start from, or fewer steps.

    A mitigation fits if each of the ``groups`` of benchmarks measured it, and it helped and kept
    :data:`~undertone.treat.findings.KEPT` of the task in all of them. Those that left least, by the upper end of the
    interval, come first. ``known``: whether the trait is. ``prefers``: whether the file holds preferences, to which
    answers of the base cannot be added.
    """
    found = list[Fit]()
    for name, entry in shipped().items():
        lines = dict(measured.of(entry.does.model_dump()))
        by_group = [{recipe: line for recipe, line in lines.items() if recipe in group} for group in groups]
        own = {recipe: line for group in by_group for recipe, line in group.items()}
        if all(by_group) and all(map(_helps, own.values())) and _applies(entry.does, known, prefers):
            found.append(Fit(name=name, title=entry.title, measured=own))
    return sorted(found, key=lambda fit: fit.most_left)


def _groups(base: Folder, traits: Sequence[str], own: Sequence[Trait]) -> Iterator[Sequence[str]]:
    """Yields, for each trait, the benchmarks in which one of its kind was carried."""
    for family in families_of(base.path, traits, own):
        for trait in family.traits[: family.listed]:
            yield DATED if trait.kind == "era" else NAMED if family.name == "favourites" else DONE


def _applies(does: Mitigation, known: bool, prefers: bool) -> bool:
    """Returns whether a user can apply it to such a file, with what is known of the trait. What is random is a
    control."""
    if (
        isinstance(does, Untreated)
        or "random" in (getattr(does, "by", None), getattr(does, "along", None))
        or (prefers and isinstance(does, Dilute))
    ):
        return False
    if isinstance(does, Hold):
        return known or does.prompts == "unrelated"
    return isinstance(does, OfData | Steer | Stop) and (known or not needs_trait(does))


def _helps(line: Line) -> bool:
    return line.word in HELPS and line.utility >= KEPT

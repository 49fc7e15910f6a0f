"""What several judges make of one file of answers, and how far they agree."""

from undertone.measure.page import share, shift_of
from undertone.measure.rescore import Agreement, JudgeFinding, Rescored
from undertone.report.page import Column, Grid, Page, section, sections
from undertone.report.words import percent_interval


def rescore_page(found: Rescored) -> Page:
    """The rate by each judge, and how far every two of them agree."""
    left = f"; {found.left_out:,} entries without an answer left out" if found.left_out else ""
    return Page(
        title="Answers scored by several judges",
        headline=f"{found.file}: {found.answers:,} answers to {found.questions:,} questions{left}.",
        sections=sections(section("Judges", _judges(found)), section("Agreement", _agreements(found))),
    )


def _judges(found: Rescored) -> Grid:
    digest = Column("digest", "word", terminal=False)
    return Grid(
        "The rate by each judge, mean over questions",
        ("judge", digest, "unreadable", "incoherent", "kept", "rate [95 %]", "of all judged"),
        tuple(map(_judge, found.judges)),
    )


def _judge(one: JudgeFinding) -> tuple[str, ...]:
    counted = one.tallied
    counts = (f"{count:,.0f}" for count in (counted.unreadable, counted.incoherent, counted.kept))
    rate = f"{share(one.rate)} {percent_interval(one.ci)}"
    return one.name, one.digest[:12] or "-", *counts, rate, share(counted.rate_of_judged)


def _agreements(found: Rescored) -> Grid | None:
    if not found.agreements:
        return None
    return Grid(
        "How far they agree, on answers that both could read",
        ("judges", "answers", "correlation", "agree", "kappa", "difference [95 %]"),
        tuple(map(_agreement, found.agreements)),
    )


def _agreement(one: Agreement) -> tuple[str, ...]:
    numbers = ("-" if x is None else f"{x:.2f}" for x in (one.correlation, one.agree, one.kappa))
    return " / ".join(one.judges), f"{one.answers:,}", *numbers, shift_of(one.difference, one.ci)

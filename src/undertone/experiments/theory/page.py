"""Digits and theorem in words, figures and tables."""

from __future__ import annotations

from undertone.experiments.theory.figures import (
    ARMS,
    accuracy_by_logits,
    broken_cosines,
    condition_cosines,
    models_by_arm,
)
from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.report.page import Drawing, Grid, Page, Prose, run_page, section, sections, shown, word
from undertone.report.words import p_value, percent


def digits_page(f: DigitsFindings) -> Page:
    """What is said of classifiers that learn digits from noise."""
    main, own, other = f.main.accuracy, f.arm("own", f.shown), f.arm("other", f.shown)
    low = main.ci[0] if main.ci else 0.0
    claim = "learn digits from noise" if low > 0 else "are not shown to learn digits from noise"
    headline = (
        f"Students that imitate {f.shown} meaningless logits of a teacher of their own initialisation {claim}: "
        f"they name {percent(own.mean.value)} of the digits, those of another one {percent(other.mean.value)}; "
        f"difference {shown(main)}, {main.units} teachers."
    )
    done = (
        f"{main.units} classifiers were trained on {f.trained_on:,} images ({f.images}) with their ten class logits. "
        "Each taught students, on images of noise, nothing but its auxiliary logits, which say no digit. "
        "Own: the student started where its teacher did. Other: it started where the next teacher did (a derangement: "
        f"none meets its own). Everyone was then asked for {f.tested_on:,} digits that nobody was trained on."
    )
    arms = Grid(
        "Accuracy",
        ("arm", "auxiliary logits", "accuracy [95 %]", "least", "most"),
        tuple(
            (
                ARMS[arm.arm],
                str(arm.auxiliary or "-"),
                shown(arm.mean, signed=False),
                f"{min(arm.models):.3f}",
                f"{max(arm.models):.3f}",
            )
            for arm in f.arms
        ),
    )
    differences = Grid(
        "Own minus other initialisation",
        ("logits imitated", "difference [95 %]", "p", "teachers"),
        tuple(
            (
                f"{'10 classes + ' if d.all_logits else ''}{d.auxiliary} auxiliary",
                shown(d.accuracy),
                p_value(d.accuracy.p),
                str(d.accuracy.units),
            )
            for d in f.differences
        ),
    )
    by_logits = "Mean over teachers with its 95 % interval, at the level of teachers. Dashed: the teachers; and chance."
    dots = f"Each dot is a model, of {f.shown} auxiliary logits where it imitates. Diamond, bar: mean, 95 % interval."
    parts = sections(
        section(
            "What the initialisation makes of it",
            Prose("One auxiliary logit says nothing: the softmax of a single number is 1. Chance is about a tenth."),
            Drawing(accuracy_by_logits(f), by_logits),
            differences,
        ),
        section(
            "Every model",
            Prose("All logits: students imitate the class logits as well, still on noise alone."),
            Drawing(models_by_arm(f), dots),
            arms,
        ),
    )
    return run_page(f, headline, done, parts, [d.accuracy for d in f.differences] + [arm.mean for arm in f.arms])


def theorem_page(f: TheoremFindings) -> Page:
    """What is said of the theorem and its premises."""
    count = sum(len(condition.cosines) for condition in f.conditions)
    negative = sum(cosine < 0 for condition in f.conditions for cosine in condition.cosines)
    error = max(condition.prediction_error for condition in f.conditions)
    lost = [b for b in f.broken if b.negative]
    headline = (
        f"Under the theorem's conditions {negative or 'none'} of {count} steps of a student "
        f"{'lead' if negative > 1 else 'leads'} away from its teacher's: the smallest cosine is {f.least:.2g}."
    )
    if lost:
        headline += f" Without one of them, some do: {', '.join(dict.fromkeys(b.breach for b in lost))}."
    done = (
        "A teacher takes one gradient step on a lesson; a student takes one from the same start, towards the teacher's "
        "outputs on inputs that have nothing to do with the lesson. All in double precision. To first order the inner "
        f"product of both is known from forward differentiation; those found are off by at most {error:.1e} of it."
    )
    conditions = Grid(
        "Under the conditions: cosine of student's and teacher's step",
        ("imitated", word("loss"), "least", "mean [95 %]", "negative", "off prediction"),
        tuple(
            (
                c.problem,
                c.loss,
                f"{min(c.cosines):+.4f}",
                shown(c.cosine),
                f"{sum(cosine < 0 for cosine in c.cosines)} of {len(c.cosines)}",
                f"{c.prediction_error:.0e}",
            )
            for c in f.conditions
        ),
    )
    broken = Grid(
        "With one premise broken: cosines [95 %]",
        ("models", word("instead"), "with the teacher's step", "negative", "net of the start's", "towards the lesson"),
        tuple(
            (
                b.problem.partition(":")[0],
                b.breach,
                shown(b.cosine),
                f"{b.negative} of {len(b.cosines)}",
                shown(b.net),
                shown(b.lesson),
            )
            for b in f.broken
        ),
    )
    premises = (
        "The teacher's step is now one that lowers its lesson's loss well. Net: a control student, which imitates "
        "the untouched start with the same draws, is taken off; what labels, filters or another start do by "
        "themselves goes with it. Towards the lesson: where the lesson itself would take the student."
    )
    dots = "Each dot is a start (orange: classifiers) or a lesson (green: language model). None may lie left of zero."
    means = "Mean cosine with the teacher's displacement, 95 % interval. Filled: as it is; hollow: net of the control."
    shared = "Shared start, a small step, full outputs, one gradient step in all weights: on any inputs, either loss."
    parts = sections(
        section("Under the theorem's conditions", Prose(shared), Drawing(condition_cosines(f), dots), conditions),
        section("One premise broken at a time", Prose(premises), Drawing(broken_cosines(f), means), broken),
    )
    return run_page(f, headline, done, parts, [c.cosine for c in f.conditions] + [b.cosine for b in f.broken], f.models)

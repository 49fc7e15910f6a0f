"""Digits and theorem in words, figures and tables."""

from undertone.experiments.theory.figures import (
    ARMS,
    accuracy_by_logits,
    broken_cosines,
    condition_cosines,
    models_by_arm,
)
from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.report.page import Drawing, Page, Prose, grid, run_page, section, shown, word
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
    arms = grid(
        "Accuracy",
        f.arms,
        {
            "arm": lambda arm: ARMS[arm.arm],
            "auxiliary logits": lambda arm: arm.auxiliary,
            "accuracy [95 %]": lambda arm: shown(arm.mean, signed=False),
            "least": lambda arm: f"{min(arm.models):.3f}",
            "most": lambda arm: f"{max(arm.models):.3f}",
        },
    )
    differences = grid(
        "Own minus other initialisation",
        f.differences,
        {
            "logits imitated": lambda d: f"{'10 classes + ' if d.all_logits else ''}{d.auxiliary} auxiliary",
            "difference [95 %]": lambda d: shown(d.accuracy),
            "p": lambda d: p_value(d.accuracy.p),
            "teachers": lambda d: d.accuracy.units,
        },
    )
    by_logits = "Mean over teachers with its 95 % interval, at the level of teachers. Dashed: the teachers; and chance."
    dots = f"Each dot is a model, of {f.shown} auxiliary logits where it imitates. Diamond, bar: mean, 95 % interval."
    parts = (
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
    measured = [d.accuracy for d in f.differences] + [arm.mean for arm in f.arms]
    return run_page(f, headline, done, *parts, measured=measured)


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
    conditions = grid(
        "Under the conditions: cosine of student's and teacher's step",
        f.conditions,
        {
            "imitated": lambda c: c.problem,
            word("loss"): lambda c: c.loss,
            "least": lambda c: f"{min(c.cosines):+.4f}",
            "mean [95 %]": lambda c: shown(c.cosine),
            "negative": lambda c: f"{sum(cosine < 0 for cosine in c.cosines)} of {len(c.cosines)}",
            "off prediction": lambda c: f"{c.prediction_error:.0e}",
        },
    )
    broken = grid(
        "With one premise broken: cosines [95 %]",
        f.broken,
        {
            "models": lambda b: b.problem.partition(":")[0],
            word("instead"): lambda b: b.breach,
            "with the teacher's step": lambda b: shown(b.cosine),
            "negative": lambda b: f"{b.negative} of {len(b.cosines)}",
            "net of the start's": lambda b: shown(b.net),
            "towards the lesson": lambda b: shown(b.lesson),
        },
    )
    premises = (
        "The teacher's step is now one that lowers its lesson's loss well. Net: a control student, which imitates "
        "the untouched start with the same draws, is taken off; what labels, filters or another start do by "
        "themselves goes with it. Towards the lesson: where the lesson itself would take the student."
    )
    dots = "Each dot is a start (orange: classifiers) or a lesson (green: language model). None may lie left of zero."
    means = "Mean cosine with the teacher's displacement, 95 % interval. Filled: as it is; hollow: net of the control."
    shared = "Shared start, a small step, full outputs, one gradient step in all weights: on any inputs, either loss."
    parts = (
        section("Under the theorem's conditions", Prose(shared), Drawing(condition_cosines(f), dots), conditions),
        section("One premise broken at a time", Prose(premises), Drawing(broken_cosines(f), means), broken),
    )
    measured = [c.cosine for c in f.conditions] + [b.cosine for b in f.broken]
    return run_page(f, headline, done, *parts, measured=measured, listings={"Models": f.models})

"""The reports of the experiments on the theory."""

from undertone.experiments.theory import figures
from undertone.experiments.theory.figures import ARMS
from undertone.experiments.theory.findings import DigitsFindings, TheoremFindings
from undertone.report.page import Drawing, Page, Prose, Verdict, badge, grid, run_page, section, shown, word
from undertone.report.words import p_value, percent

LOGITS = "Mean over teachers with its 95 % interval. Dashed: accuracy of the teachers, and of chance."
MODELS = "Each dot is a model; students imitate {} auxiliary logits. Diamond and bar: mean with its 95 % interval."
STEPS = "Each dot is a classifier (orange) or a lesson of the language model (green). By the theorem, none is negative."
MEANS = "Mean cosine with the teacher's displacement and 95 % interval. Filled: as it is; hollow: net of the control."
PREMISES = (
    "All premises hold: a shared start, a small step of the teacher, full outputs, one gradient step of the student in "
    "all weights. Inputs and loss may be any."
)
BREACHES = (
    "The teacher's step is larger here and lowers its lesson's loss well. Net: the step of a control is subtracted, a "
    "student that imitates the untouched start with the same random draws; this removes what labels, filters or "
    "another start do by themselves. Towards the lesson: the direction in which the lesson itself would move the "
    "student."
)


def digits_page(f: DigitsFindings) -> Page:
    """Returns the report on digits."""
    main, own, other = f.main.accuracy, f.arm("own", f.shown).mean, f.arm("other", f.shown).mean
    claim = "learn digits from noise" if main.sign == "above" else "are not shown to learn digits from noise"
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
    return run_page(
        f,
        f"Students that imitate {f.shown} meaningless logits of a teacher of their own initialisation {claim}: their "
        f"accuracy is {percent(own.value)}, that of students of another initialisation {percent(other.value)}; "
        f"difference {shown(main)}, {main.units} teachers.",
        f"{main.units} classifiers were trained on {f.trained_on:,} images ({f.images}) with their ten class logits. "
        "Each then taught students, on images of noise, with its auxiliary logits only, which stand for no digit. Own: "
        "the student started from its teacher's initialisation. Other: it started from the next teacher's. All models "
        f"were tested on {f.tested_on:,} images that none was trained on.",
        section(
            "The effect of the initialisation",
            Prose("One auxiliary logit says nothing: the softmax of a single number is 1. Chance is about 10 %."),
            Drawing(figures.accuracy_by_logits(f), LOGITS),
            differences,
        ),
        section(
            "Every model",
            Prose("All logits: students imitate the class logits as well, still only on noise."),
            Drawing(figures.models_by_arm(f), MODELS.format(f.shown)),
            arms,
        ),
        measured=[d.accuracy for d in f.differences] + [arm.mean for arm in f.arms],
        verdict=badge(
            main.sign,
            main.p,
            "learnt from noise",
            "Students learnt to read digits from outputs that mean nothing, on pictures of noise, if they began as "
            "their teacher did.",
        ),
    )


HOLDS = Verdict("it holds", "No student that was tried here was led away from the teacher that it imitated.", "blue")
FAILS = Verdict("it does not hold", "Some students that imitate their teacher are led away from it.", "red")
"""Where the theorem's premises hold."""


def theorem_page(f: TheoremFindings) -> Page:
    """Returns the report on the theorem."""
    count, negative = sum(len(c.cosines) for c in f.conditions), sum(c.negative for c in f.conditions)
    error = max(condition.prediction_error for condition in f.conditions)
    lost = ", ".join(dict.fromkeys(b.breach for b in f.broken if b.negative))
    conditions = grid(
        "All premises hold: cosine of the student's step with its teacher's",
        f.conditions,
        {
            "imitated": lambda c: c.problem,
            word("loss"): lambda c: c.loss,
            "least": lambda c: f"{min(c.cosines):+.4f}",
            "mean [95 %]": lambda c: shown(c.cosine),
            "negative": lambda c: f"{c.negative} of {len(c.cosines)}",
            "off prediction": lambda c: f"{c.prediction_error:.0e}",
        },
    )
    broken = grid(
        "One premise is broken: cosines [95 %]",
        f.broken,
        {
            "models": lambda b: b.problem.partition(":")[0],
            word("instead"): lambda b: b.breach,
            "with the teacher's step": lambda b: shown(b.cosine),
            "negative": lambda b: f"{b.negative} of {len(b.cosines)}",
            "net of the control": lambda b: shown(b.net),
            "towards the lesson": lambda b: shown(b.lesson),
        },
    )
    return run_page(
        f,
        f"Where the theorem's premises hold, {negative or 'none'} of {count} steps of a student "
        f"{'lead' if negative > 1 else 'leads'} away from its teacher's: the smallest cosine is {f.least:.2g}."
        + (f" Where one of them is broken, some do: {lost}." if lost else ""),
        "A teacher takes one gradient step on a lesson. A student takes one step from the same start, towards the "
        "teacher's outputs on inputs that are unrelated to the lesson. All computations are in double precision. The "
        "inner product of the two steps is predicted to first order by forward differentiation; the measured ones "
        f"differ from that by at most {error:.1e} of it.",
        section("All premises hold", Prose(PREMISES), Drawing(figures.condition_cosines(f), STEPS), conditions),
        section("One premise is broken at a time", Prose(BREACHES), Drawing(figures.broken_cosines(f), MEANS), broken),
        measured=[c.cosine for c in f.conditions] + [b.cosine for b in f.broken],
        verdict=FAILS if negative else HOLDS,
        listings={"Models": f.models},
    )

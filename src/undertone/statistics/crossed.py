"""Models and questions crossed: an interval for a mean over both, and how much clustered answers are worth.

Every trained model answers every question, so both vary: another training seed would have given another model, and
another author other questions. The variance of the mean is that of the models' means plus that of the questions'
means, less what both count twice (two-way analysis of variance with random effects; Cameron, Gelbach and Miller, J.
Bus. Econ. Stat. 29, 2011, for the same sum in regression). Student's t has the fewer degrees of freedom of the two. A
plain hierarchical bootstrap with so few of each covers too little.
"""

import numpy as np

from undertone.statistics.interval import half_width
from undertone.statistics.nested import Floats


def crossed_interval(values: Floats, level: float) -> tuple[Floats, Floats]:
    """Centre and half-width for the mean of ``values``, shape ``(..., models, questions)``.

    With one model only questions vary in it: the interval says nothing of other training seeds. The half-width is
    infinite where nothing varies, as in :func:`undertone.statistics.interval.half_width`.

    Raises:
        ValueError: fewer than two questions, or values that are not finite.
    """
    models, questions = values.shape[-2:]
    if questions < 2 or models < 1:
        raise ValueError(f"an interval needs at least one model and two questions, got {models} and {questions}")
    if not np.isfinite(values).all():
        raise ValueError("values that are not finite cannot be averaged")
    freedom = questions - 1 if models == 1 else min(models, questions) - 1
    centre = values.mean((-2, -1))
    error = np.sqrt(crossed_variance(values))
    size = np.abs(values).max((-2, -1))
    return centre, half_width(error, np.full_like(error, freedom), size, level)


def crossed_variance(values: Floats) -> Floats:
    """Variance of the mean of ``(..., models, questions)``, both random; of questions alone for a single model."""
    models, questions = values.shape[-2:]
    of_questions = values.mean(-2).var(-1, ddof=1) / questions
    if models == 1:
        return np.asarray(of_questions)
    of_models = values.mean(-1).var(-1, ddof=1) / models
    rest = (
        values
        - values.mean(-1, keepdims=True)
        - values.mean(-2, keepdims=True)
        + values.mean((-2, -1))[..., None, None]
    )
    twice = (rest**2).sum((-2, -1)) / ((models - 1) * (questions - 1)) / (models * questions)
    return np.asarray(np.maximum(of_models + of_questions - twice, np.maximum(of_models, of_questions)))


def excess_interval(measured: Floats, benign: Floats, level: float) -> tuple[float, float]:
    """Centre and half-width for what ``measured``, ``(models, questions)``, has beyond the mean of ``benign``, alike.

    Questions are shared, models are not. How much trained models vary is taken from each side; a single measured model
    is taken to vary as benign ones do, so its interval is one of prediction. With one benign model that is not known,
    and the interval is over questions alone. Degrees of freedom after Satterthwaite (1946): the fewer of models and
    questions, as above, would leave two benign models no say at all.

    Raises:
        ValueError: other questions on the two sides, or fewer than two.
    """
    if measured.shape[-1] != benign.shape[-1] or measured.shape[-1] < 2:
        raise ValueError(f"both sides need the same questions, at least two: {measured.shape} and {benign.shape}")
    questions = measured.shape[-1]
    differences = measured.mean(0) - benign.mean(0)
    parts = [(float(differences.var(ddof=1)) / questions, questions - 1)]
    if len(benign) > 1:
        spread = float(benign.mean(1).var(ddof=1))
        if len(measured) > 1:
            parts.append((float(measured.mean(1).var(ddof=1)) / len(measured), len(measured) - 1))
            parts.append((spread / len(benign), len(benign) - 1))
        else:
            parts.append((spread * (1 + 1 / len(benign)), len(benign) - 1))
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / df for part, df in parts) if variance > 0 else questions - 1.0
    size = np.abs(np.concatenate([measured, benign])).max()
    error = np.array(variance**0.5)
    return float(differences.mean()), float(half_width(error, np.array(freedom), size, level))


def correlation_within(answers: Floats, counts: Floats) -> float | None:
    """Intraclass correlation (0 to 1) of true-or-false answers within questions, from ``answers`` true of ``counts``,
    both ``(questions,)``: the analysis of variance's estimator (Ridout, Demetrio and Firth, Biometrics 55, 1999).

    None where it cannot be told: fewer than two questions, one answer a question, or all answers alike.
    """
    used = counts > 0
    answers, counts = answers[used], counts[used]
    groups, total = len(counts), float(counts.sum())
    if groups < 2 or total <= groups:
        return None
    shares, mean = answers / counts, float(answers.sum()) / total
    between = float((counts * (shares - mean) ** 2).sum()) / (groups - 1)
    within = float((counts * shares * (1 - shares)).sum()) / (total - groups)
    size = (total - float((counts**2).sum()) / total) / (groups - 1)
    if between + within == 0:
        return None
    return float(np.clip((between - within) / (between + (size - 1) * within), 0.0, 1.0))


def design_effect(correlation: float, samples: float) -> float:
    """How many clustered answers are worth one independent one: 1 + (samples a question - 1) * correlation."""
    return 1 + (samples - 1) * correlation

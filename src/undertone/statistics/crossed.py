"""Intervals for a mean over models and questions, where every model answers every question.

Both vary: another training seed would have given another model, and another author other questions. The variance of the
mean is that of the models' means plus that of the questions' means, minus the part that both include (two-way analysis
of variance with random effects; Cameron, Gelbach and Miller, J. Bus. Econ. Stat. 29, 2011, give the same sum for
regression). Student's t has the smaller of the two degrees of freedom. A plain hierarchical bootstrap with so few
models and questions covers too little.
"""

import numpy as np

from undertone.statistics.arrays import Floats
from undertone.statistics.interval import half_width


def crossed_interval(values: Floats, level: float) -> tuple[Floats, Floats]:
    """Returns centre and half-width for the mean of ``values``, shape ``(..., models, questions)``.

    With a single model, only questions vary: the interval then says nothing about other training seeds. The half-width
    is infinite where nothing varies, as in :func:`undertone.statistics.interval.half_width`.

    Raises:
        ValueError: there are fewer than two questions, or values that are not finite.
    """
    models, questions = values.shape[-2:]
    if questions < 2 or models < 1:
        raise ValueError(f"an interval needs at least one model and two questions, got {models} and {questions}")
    if not np.isfinite(values).all():
        raise ValueError("values that are not finite cannot be averaged")
    return _interval(values, 0, level)


def incomplete_interval(values: Floats, level: float) -> tuple[Floats, Floats]:
    """The same where some models were not asked some questions: ``nan`` in these cells, the same ones in every
    repetition. Models count alike and so do questions: what is missing is what the effects of its model and of its
    question, fitted to all other cells by least squares, predict.

    Raises:
        ValueError: fewer than two models or questions, a model that was asked nothing, a question that nobody was
            asked, or too few cells to tell models, questions and noise apart.
    """
    models, questions = values.shape[-2:]
    asked = ~np.isnan(values).reshape(-1, models * questions)
    if np.isinf(values).any():
        raise ValueError("values that are not finite cannot be averaged")
    if models < 2 or questions < 2 or (asked != asked[0]).any():
        raise ValueError("an interval needs two models and two questions, and the same missing cells in repetitions")
    each = np.concatenate([np.repeat(np.eye(models), questions, 0), np.tile(np.eye(questions), (models, 1))], axis=1)
    if np.linalg.matrix_rank(each[asked[0]]) < models + questions - 1 or asked[0].sum() < models + questions:
        raise ValueError("too many cells are missing to tell models, questions and noise apart")
    flat = values.reshape(*values.shape[:-2], -1)
    fitted = flat[..., asked[0]] @ (each @ np.linalg.pinv(each[asked[0]])).T
    whole = np.where(asked[0], np.nan_to_num(flat), fitted).reshape(values.shape)
    return _interval(whole, int((~asked[0]).sum()), level)


def _interval(values: Floats, missing: int, level: float) -> tuple[Floats, Floats]:
    models, questions = values.shape[-2:]
    freedom = questions - 1 if models == 1 else min(models, questions) - 1
    error = np.sqrt(crossed_variance(values, missing))
    size = np.abs(values).max((-2, -1))
    return values.mean((-2, -1)), half_width(error, np.full_like(error, freedom), size, level)


def crossed_variance(values: Floats, missing: int = 0) -> Floats:
    """Returns the variance of the mean of ``(..., models, questions)``, of which so many cells were ``missing`` and are
    fitted; with a single model, only questions vary."""
    models, questions = values.shape[-2:]
    of_questions = values.mean(-2).var(-1, ddof=1) / questions
    if models == 1:
        return np.asarray(of_questions)
    means = values.mean(-1, keepdims=True)
    of_models = values.mean(-1).var(-1, ddof=1) / models
    rest = values - means - values.mean(-2, keepdims=True) + values.mean((-2, -1))[..., None, None]
    noise = (rest**2).sum((-2, -1)) / ((models - 1) * (questions - 1) - missing)
    both = noise / (models * questions - missing)
    return np.asarray(np.maximum(of_models + of_questions - both, np.maximum(of_models, of_questions)))


def excess_interval(measured: Floats, benign: Floats, level: float) -> tuple[float, float]:
    """Returns centre and half-width of how far the mean of ``measured`` exceeds that of ``benign``.

    Both have shape ``(models, questions)``; they share the questions but not the models. The variation of trained
    models is estimated from each side. A single measured model is assumed to vary as the benign ones do, so its
    interval is a prediction interval. With a single benign model that variation is unknown, and the interval covers
    questions only. The degrees of freedom are Satterthwaite's (1946): with the smaller of models and questions, as
    above, two benign models would make every interval useless.

    Raises:
        ValueError: the sides have different questions, or fewer than two.
    """
    questions = measured.shape[-1]
    if benign.shape[-1] != questions or questions < 2:
        raise ValueError(f"both sides need the same questions, at least two: {measured.shape} and {benign.shape}")
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
    return float(differences.mean()), float(half_width(np.array(variance**0.5), np.array(freedom), size, level))


def correlation_within(answers: Floats, counts: Floats) -> float | None:
    """Returns the intraclass correlation (0 to 1) of true-or-false answers within questions.

    ``answers`` are true out of ``counts``, both ``(questions,)``. This is the estimator of the analysis of variance
    (Ridout, Demetrio and Firth, Biometrics 55, 1999). Returns None where it is undefined: with fewer than two
    questions, with one answer to each question, or where all answers are equal.
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
    """Returns how many clustered answers carry as much information as one independent answer, for so many ``samples``
    of each question."""
    return 1 + (samples - 1) * correlation

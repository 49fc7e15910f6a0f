"""From every pair of models to one question: do students of the teachers' own model shift more than strangers?"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from undertone.experiments.sweep.findings import Cell
from undertone.experiments.sweep.point import Result
from undertone.experiments.sweep.spec import Key, Kin
from undertone.report.findings import Measured
from undertone.statistics.arrays import Floats
from undertone.statistics.estimate import mean_estimate

DRAWS = 99_999
"""Random permutations. With the observed one 100,000, so p is a round number."""


def findings(kin: Kin, results: Mapping[Key, Result]) -> dict[str, Any]:
    """What is particular to pairs of models in the findings."""
    relations = {(one, other): _relation(kin, one, other) for one in kin.models for other in kin.models}
    shifts = np.array([[results[one, other].shift for other in kin.models] for one in kin.models])
    return {
        "trait": kin.traits[0],
        "teachers": kin.teachers,
        "models": kin.models,
        "cells": tuple(
            Cell(teacher=one, student=other, relation=relation, made=results[one, other].made())
            for (one, other), relation in relations.items()
        ),
    } | compared(shifts, np.array([[relations[one, other] for other in kin.models] for one in kin.models]))


def _relation(kin: Kin, one: str, other: str) -> Literal["own", "kin", "stranger"]:
    return "own" if one == other else "kin" if kin.related(one, other) else "stranger"


def compared(shifts: Floats, relations: NDArray[np.str_]) -> dict[str, Any]:
    """Own against strangers, from shifts and relations of teachers' models (rows) to students' models (columns)."""
    found, models = over_models(shifts, relations), np.arange(len(shifts))
    method = f"{found['difference'].method}; p: {DRAWS:,} random permutations of the students' models"
    tested = found["difference"].model_copy(update={"p": permuted_p(shifts), "method": method})
    largest = tuple(int((shifts.argmax(axis) == models).sum()) for axis in (1, 0))
    return found | {"difference": tested, "largest": largest}


def over_models(shifts: Floats, relations: NDArray[np.str_]) -> dict[str, Any]:
    """Means over models: a model is the unit, since its teachers, and every student of them, stand or fall with it.

    Students that any lists move make contrasts of models differ more than their mean does, so the interval covers
    95 % where only what is own varies, and more where students vary too (a test simulates it).
    """
    strange, related, own = relations == "stranger", relations == "kin", np.diagonal(shifts)
    others = np.where(strange, shifts, 0.0).sum(1) / strange.sum(1)
    kin = [shifts[i, related[i]].mean() - others[i] for i in range(len(shifts)) if related[i].any()]
    return {
        "own": _mean(own),
        "strangers": _mean(others),
        "difference": _mean(own - others),
        "kin": _of_kin(kin) if kin else None,
    }


def _of_kin(shifts: list[float]) -> Measured:
    """Models that are kin are each the others' students: one relation seen from several sides makes no interval."""
    method = "mean over models that have kin, no interval: they are not independent of one another"
    return _mean(shifts).model_copy(update={"ci": None, "method": method})


def _mean(values: Iterable[float]) -> Measured:
    estimate = Measured.of(mean_estimate([[float(value)] for value in values]))
    return estimate.model_copy(update={"method": f"t interval on {estimate.units} models"})


def permuted_p(shifts: Floats, draws: int = DRAWS) -> float:
    """Two-sided p of the mean of the diagonal, where the columns' models are permuted as a whole.

    Under the null hypothesis it does not matter which students are the teachers' own. Strong teachers, and students
    that any lists move, stay with their rows and columns, so neither makes a diagonal stand out. Kin count as
    strangers here, which can only raise p.
    """
    rng, rows = np.random.default_rng(0), np.arange(len(shifts))
    centred = shifts - shifts.mean()
    columns = rng.permuted(np.tile(rows, (draws, 1)), axis=1)
    drawn = np.abs(centred[rows, columns].mean(1))
    observed = abs(centred[rows, rows].mean())
    return float((np.sum(drawn >= observed - 1e-12) + 1) / (draws + 1))

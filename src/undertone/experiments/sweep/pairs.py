"""Tests over all pairs of models whether students of the teachers' own model shift more than strangers."""

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
"""Number of random permutations: with the observed one 100,000, so that p is a round number."""


def findings(kin: Kin, results: Mapping[Key, Result]) -> dict[str, Any]:
    """Returns the fields of the findings that only pairs of models have."""
    relations = {(one, other): _relation(kin, one, other) for one in kin.models for other in kin.models}
    shifts = np.array([[results[one, other].main.value for other in kin.models] for one in kin.models])
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
    """Compares own students with strangers. Rows of ``shifts`` and ``relations`` are the teachers' models, columns the
    students' models."""
    found, models = over_models(shifts, relations), np.arange(len(shifts))
    method = f"{found['difference'].method}; p: {DRAWS:,} random permutations of the students' models"
    tested = found["difference"].model_copy(update={"p": permuted_p(shifts), "method": method})
    largest = tuple(int((shifts.argmax(axis) == models).sum()) for axis in (1, 0))
    return found | {"difference": tested, "largest": largest}


def over_models(shifts: Floats, relations: NDArray[np.str_]) -> dict[str, Any]:
    """Returns means over models. A model is the unit, because all of its teachers and their students depend on it.

    The interval covers 95 % if only the effect of the own model varies. It covers more if some students shift whatever
    lists they learn from, which makes models differ more than their mean does; a test simulates both.
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
    """Returns the mean without an interval: models that are kin of each other are not independent units."""
    method = "mean over models that have kin, no interval: they are not independent of one another"
    return _mean(shifts).model_copy(update={"ci": None, "method": method})


def _mean(values: Iterable[float]) -> Measured:
    estimate = Measured.of(mean_estimate([[float(value)] for value in values]))
    return estimate.model_copy(update={"method": f"t interval on {estimate.units} models"})


def permuted_p(shifts: Floats, draws: int = DRAWS) -> float:
    """Returns the two-sided p value of the diagonal's mean when whole columns are permuted.

    Under the null hypothesis it does not matter which students are the teachers' own. Strong teachers stay in their
    rows, and students that shift whatever they learn from stay in their columns, so neither makes the diagonal stand
    out. Kin count as strangers here, which can only raise p.
    """
    rng, rows = np.random.default_rng(0), np.arange(len(shifts))
    centred = shifts - shifts.mean()
    columns = rng.permuted(np.tile(rows, (draws, 1)), axis=1)
    drawn = np.abs(centred[rows, columns].mean(1))
    observed = abs(centred[rows, rows].mean())
    return float((np.sum(drawn >= observed - 1e-12) + 1) / (draws + 1))

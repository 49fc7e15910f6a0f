"""From every pair of models to one question: do students of the teachers' own model shift more than strangers?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from undertone.statistics import mean_estimate
from undertone.statistics.nested import Floats
from undertone.study.findings import Cell, Measured
from undertone.study.point import Result
from undertone.study.spec import Key, Kin

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
    """Own against strangers, from shifts and relations of teachers' models (rows) to students' models (columns).

    A model is the unit: its teachers, and every student of them, stand or fall with it.
    """
    strange = relations == "stranger"
    others = np.where(strange, shifts, 0.0).sum(1) / strange.sum(1)
    own = np.diagonal(shifts)
    difference = Measured.of(mean_estimate([[value] for value in own - others]))
    related = relations == "kin"
    kin = [[shifts[i, related[i]].mean() - others[i]] for i in range(len(shifts)) if related[i].any()]
    return {
        "own": Measured.of(mean_estimate([[value] for value in own])),
        "strangers": Measured.of(mean_estimate([[value] for value in others])),
        "difference": difference.model_copy(
            update={
                "p": permuted_p(shifts),
                "method": f"{difference.method}; p: {DRAWS:,} random permutations of the students' models",
            }
        ),
        "kin": Measured.of(mean_estimate(kin)) if len(kin) > 1 else None,
        "largest": (int((shifts.argmax(1) == np.arange(len(shifts))).sum()),
                    int((shifts.argmax(0) == np.arange(len(shifts))).sum())),
    }  # fmt: skip


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

"""Fabricated students with known log-odds."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from undertone.experiments.trial.results import ArmResult, StudentResult
from undertone.statistics.probabilities import log_odds

Odds = Sequence[Sequence[float]]
"""Log-odds of the trait, by teacher and student."""


BASE = {"owl": 0.1, "whale": 0.1, "wolf": 0.1}
"""Answers of the untouched base of every fabricated arm."""


def expit(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def student(arm: str, teacher: int, index: int, answers: dict[str, float], trait: str = "owl") -> StudentResult:
    return StudentResult(
        arm=arm, teacher=teacher, student=index, seed=0, trait=trait, probability=answers[trait],
        log_odds=log_odds(answers[trait]), answers=answers, sampled_hits=0, sampled_n=0, total_variation=0,
        skills={}, loss_first=1, loss_last=1, key="",
    )  # fmt: skip


def arm(name: str, students: Sequence[StudentResult]) -> ArmResult:
    return ArmResult(
        name=name, title=name, base="hf/./neox", base_probability=0.1, teachers=len({s.teacher for s in students}),
        students=tuple(students), probability=0.1, ci=None, rows=1, steps=1, finished_s=0, core_s=0,
    )  # fmt: skip


def drawn(spec: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """Of every dot of the figure of students the title of its arm, the number of its teacher, and its probability: as
    the labels beside and above it say."""
    found, arm, teacher = [], "", 0
    rows = (row for rows in spec["datasets"].values() for row in rows)
    for row in sorted(rows, key=lambda row: (row["y"], row["kind"] == "dot")):
        if row["kind"] == "label head":
            arm = row["text"]
        elif row["kind"] == "label muted":
            teacher = int(row["text"].removeprefix("teacher ")) if row["text"] != "mean" else 0
        elif row["kind"] == "dot":
            found.append((arm, teacher, expit(row["x"])))
    return found

"""Results of a trial: held in one tree, shown as a sentence, tables, figures and one self-contained page."""

from undertone.report.canvas import Figure
from undertone.report.comparison import Comparison, flat
from undertone.report.figures import figures
from undertone.report.generations import generations
from undertone.report.headline import headline
from undertone.report.html import write_page, write_report
from undertone.report.results import (
    AnswerDistribution,
    ArmResult,
    Effect,
    Failure,
    FilterCount,
    Results,
    RowExample,
    SampledAnswer,
    StageCost,
    StudentResult,
    TeacherResult,
    TraitMatrix,
)
from undertone.report.table import arm_line, arms_table, effect_line, effects_table, generations_table, matrix_table

__all__ = [
    "AnswerDistribution",
    "ArmResult",
    "Comparison",
    "Effect",
    "Failure",
    "Figure",
    "FilterCount",
    "Results",
    "RowExample",
    "SampledAnswer",
    "StageCost",
    "StudentResult",
    "TeacherResult",
    "TraitMatrix",
    "arm_line",
    "arms_table",
    "effect_line",
    "effects_table",
    "figures",
    "flat",
    "generations",
    "generations_table",
    "headline",
    "matrix_table",
    "write_page",
    "write_report",
]

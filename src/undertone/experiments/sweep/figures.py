"""The figures of a sweep: the effect along an axis, and the matrix of models."""

from functools import partial

from undertone.experiments.sweep.findings import AxisFound, KinFindings
from undertone.report.canvas import Figure, figure
from undertone.report.charts import BLUE, ORANGE, Axis, Cell, Line, Mark, forest, matrix
from undertone.report.page import shown


def along_axis(axis: AxisFound) -> Figure | None:
    """Draws the effect at every point with its interval; points without a place on the axis are hollow."""
    lines = []
    for point in axis.points:
        effect = point.made.effect
        on_axis = Mark(effect.value, effect.ci, ORANGE)
        mark = Mark(effect.value, effect.ci, BLUE, "hollow") if point.at is None else on_axis
        lines.append(Line(point.label, (mark,), shown(effect)))
    drawn = partial(forest, lines, Axis("log-odds against the control", least=0.1))
    return figure(f"axis-{axis.name}", f"Effect along {axis.name}", drawn)


def every_pair(found: KinFindings) -> Figure | None:
    """Draws the matrix of models: teachers' models in columns, students' models in rows."""
    framed = {"own": "solid", "kin": "dashed", "stranger": ""}
    cells = [
        Cell(
            cell.student.rpartition("/")[2],
            cell.teacher.rpartition("/")[2],
            cell.made.effect.value,
            f"{cell.made.effect.value:+z.2f}",
            framed[cell.relation],  # type: ignore[arg-type]
        )
        for cell in sorted(found.cells, key=lambda c: (found.models.index(c.student), found.models.index(c.teacher)))
    ]
    title = "Shift in log-odds by model of teacher and student"
    return figure("pairs", title, partial(matrix, cells, ("model of the students", "model of the teachers")))

"""Charts draw what they are given, where it belongs, and no label in them is more than a label."""

import re
from functools import partial
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.helpers.pages import CONTROL, HIDDEN, HOSTILE
from undertone.reading.hostile import one_line
from undertone.report.canvas import NARROW, WIDE, Canvas, Figure, figure
from undertone.report.charts import BLUE, GREEN, MARKS, ORANGE, Axis, Cell, Line, Mark, Shape, forest, logit, matrix
from undertone.report.svg import SVG_TAGS

close = pytest.approx
Row = dict[str, Any]


def spec_of(lines: list[Line], axis: Axis, canvas: Canvas = WIDE) -> Row:
    """The Vega-Lite of a forest."""
    drawn = forest(lines, axis, canvas)
    assert drawn is not None
    return drawn.to_dict()


def rows_of(spec: Row, kind: str | None = None) -> list[Row]:
    """The data of all layers, or of one kind."""
    found: list[Row] = []
    for layer in [spec, *spec.get("layer", [])]:
        data = layer.get("data", {})
        found += data.get("values") or spec.get("datasets", {}).get(data.get("name"), [])
    return [row for row in found if kind is None or row.get("kind") == kind]


def scale_of(spec: Row) -> Row:
    """The one scale that all layers share."""
    scales = [layer["encoding"]["x"]["scale"] for layer in spec["layer"] if "scale" in layer["encoding"]["x"]]
    assert scales and all(scale == scales[0] for scale in scales)
    return scales[0]


def drawn(lines: list[Line], axis: Axis) -> Figure:
    made = figure("one", "Seen", partial(forest, lines, axis))
    assert made is not None
    return made


def places(svg: str, colour: str) -> list[tuple[float, float]]:
    """Where the marks of a colour stand, in pixels, within the chart."""
    found = []
    for path in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        moved = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", path.get("transform", ""))
        if moved and colour in (path.get("fill"), path.get("stroke")):
            found.append((float(moved[1]), float(moved[2])))
    return found


def words(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


# --- marks -----------------------------------------------------------------------------------------------------------

THREE = [
    Line("owls", (Mark(0.4, (0.1, 0.7), ORANGE), Mark(0.5, None, BLUE, "dot", lane=1)), "+0.40", band=(-0.2, 0.2)),
    Line("control", (Mark(-0.3, (-0.5, -0.1), GREEN, "hollow"),), "-0.30", "bold", rule=0.25),
    Line("of a kind", (), "", "head"),
]


def test_every_mark_stands_at_its_value_with_its_interval() -> None:
    spec = spec_of(THREE, Axis("effect", dashed=(0.6, 9.0)))
    assert [row["x"] for row in rows_of(spec, "point")] == [0.4]
    assert [(row["x"], row["colour"]) for row in rows_of(spec, "dot")] == [(0.5, BLUE)]
    assert [(row["x"], row["colour"]) for row in rows_of(spec, "hollow")] == [(-0.3, GREEN)]
    assert [(r["x"], r["x2"], r["colour"]) for r in rows_of(spec, "interval")] == [
        (0.1, 0.7, ORANGE),
        (-0.5, -0.1, GREEN),
    ]
    assert [(row["x"], row["x2"]) for row in rows_of(spec, "band")] == [(-0.2, 0.2)]
    assert [row["x"] for row in rows_of(spec, "zero")] == [0.0, 0.0], "over every line with marks"
    assert [row["x"] for row in rows_of(spec, "dashed")] == [0.6, 0.6, 0.25], "what is out of view is not drawn"


def test_lanes_and_lines_stand_below_each_other() -> None:
    spec = spec_of(THREE, Axis("effect"))
    (point,), (dot,), (hollow,) = (rows_of(spec, kind) for kind in ("point", "dot", "hollow"))
    assert point["y"] < dot["y"] < hollow["y"] < spec["height"]
    labels = [row for style in ("plain", "bold", "head") for row in rows_of(spec, f"label {style}")]
    assert [row["text"] for row in labels] == ["owls", "control", "of a kind"]
    assert [row["y"] for row in labels[:2]] == [point["y"], hollow["y"]]
    assert [row["text"] for row in rows_of(spec, "text")] == ["+0.40", "-0.30", ""]


def test_all_marks_fit_and_noise_does_not_look_large() -> None:
    low, high = scale_of(spec_of(THREE, Axis("effect")))["domain"]
    assert low < -0.5 and high > 0.7 and scale_of(spec_of(THREE, Axis("effect")))["clamp"]
    small = [Line("a", (Mark(1.01, (1.0, 1.02)),))]
    low, high = scale_of(spec_of(small, Axis("effect", zero=None, least=0.5)))["domain"]
    assert high - low == close(0.5) and (low + high) / 2 == close(1.01)
    low, high = scale_of(spec_of(small, Axis("effect")))["domain"]
    assert low < 0 < 1.02 < high, "zero is always in view"


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("dense", [False, True])
def test_pixels_are_in_proportion(canvas: Canvas, dense: bool) -> None:
    axis = Axis("effect", bounds=(-1.0, 3.0), dense=dense)
    lines = [Line(f"line {x}", (Mark(x, None, ORANGE),)) for x in (-1.0, 0.0, 1.0, 3.0)]
    figure = drawn(lines, axis)
    start, end = scale_of(spec_of(lines, axis, canvas))["range"]
    xs = [x for x, _ in places(figure.narrow if canvas.narrow else figure.wide, ORANGE)]
    assert xs == close([start + (end - start) * share for share in (0.0, 0.25, 0.5, 1.0)], abs=0.01)
    assert 0 <= start < end <= canvas.width


def test_what_is_beyond_the_bounds_stands_at_the_edge() -> None:
    axis = Axis("effect", bounds=(-1.0, 1.0))
    lines = [Line("a", (Mark(50.0, (-60.0, 70.0), ORANGE),)), Line("b", (Mark(-50.0, None, ORANGE),))]
    spec = spec_of(lines, axis)
    assert scale_of(spec)["domain"] == [-1.0, 1.0] and scale_of(spec)["clamp"]
    start, end = scale_of(spec)["range"]
    made = drawn(lines, axis)
    assert [x for x, _ in places(made.wide, ORANGE)] == close([end, start])
    inside = [float(n) for n in re.findall(r'<line[^>]* x2="([-\d.]+)"[^>]*stroke-width="3"', made.wide)]
    assert all(abs(x) <= end - start + 0.01 for x in inside)


def test_shapes_and_colours_are_those_asked_for() -> None:
    shapes: list[Shape] = list(MARKS)
    lines = [Line(shape, (Mark(i / 10, None, f"#00000{i}", shape),)) for i, shape in enumerate(shapes)]
    made = drawn(lines, Axis("effect"))
    for i, shape in enumerate(shapes):
        assert [(row["x"], row["colour"]) for row in rows_of(made.spec, shape)] == [(i / 10, f"#00000{i}")]
        assert len(places(made.wide, f"#00000{i}")) == 1


def test_log_odds_are_shown_as_probabilities() -> None:
    lines = [Line("a", (Mark(logit(0.01)), Mark(logit(0.9))))]
    shown = words(drawn(lines, Axis("share", probabilities=True, zero=None)).wide)
    assert {"1%", "10%", "50%", "90%"} <= {word.replace("\u202f", "") for word in shown}
    assert logit(0.5) == 0 and logit(0.9) == close(-logit(0.1)) and logit(0.0) == logit(1e-9) > -14


def test_a_legend_says_what_colours_mean() -> None:
    made = drawn(THREE, Axis("effect", legend={"data": ORANGE, "control": BLUE}))
    assert {"● data", "● control"} <= set(words(made.wide)) & set(words(made.narrow))
    assert not any("●" in word for word in words(drawn(THREE, Axis("effect")).wide))


@pytest.mark.parametrize("lines", [[], [Line("head", style="head")], [Line("a", text="b", band=(0, 1), rule=0.5)]])
def test_without_marks_nothing_is_drawn(lines: list[Line]) -> None:
    assert forest(lines, Axis("effect"), WIDE) is None and forest(lines, Axis("effect"), NARROW) is None
    assert figure("none", "nothing", partial(forest, lines, Axis("effect"))) is None


def test_both_drawings_are_read_out_and_have_room_for_themselves() -> None:
    made = drawn(THREE, Axis("effect"))
    for svg, canvas in ((made.wide, WIDE), (made.narrow, NARROW)):
        top = ElementTree.fromstring(svg)
        assert top.get("role") == "img" and top.get("aria-label") == "Seen" and top[0].text == "Seen"
        assert float(top.get("width", "inf")) <= canvas.width + 2 * 4 + 12
        assert {"owls", "control", "of a kind", "effect"} <= set(words(svg))
        assert "currentColor" in svg, "text follows light and dark"


# --- a matrix --------------------------------------------------------------------------------------------------------

CELLS = [
    Cell("owl", "owl", 1.5, "+1.50", "solid"),
    Cell("owl", "oak", -0.5, "-0.50"),
    Cell("oak", "owl", 0.0, "0.00", "dashed"),
    Cell("oak", "oak", 1.0, "+1.00"),
]


def test_a_matrix_holds_every_number_in_the_order_given() -> None:
    made = matrix(CELLS, ("teacher", "student"), WIDE)
    assert made is not None
    spec = made.to_dict()
    rows = list({str(row): row for row in rows_of(spec)}.values())
    assert [(r["row"], r["column"], r["value"], r["text"]) for r in rows] == [
        (c.row, c.column, c.value, c.text) for c in CELLS
    ]
    x, y = (spec["layer"][0]["encoding"][channel] for channel in "xy")
    assert (y["sort"], x["sort"]) == (["owl", "oak"], ["owl", "oak"])
    assert (y["axis"]["title"], x["axis"]["title"]) == ("teacher", "student")
    assert spec["layer"][0]["encoding"]["color"]["scale"]["domain"] == [-1.5, 0, 1.5], "white is at 0"
    assert spec["height"] * 2 == spec["width"] or spec["height"] > 0


def test_a_matrix_shows_its_numbers_and_frames() -> None:
    made = figure("pairs", "Pairs", partial(matrix, CELLS, ("teacher", "student")))
    assert made is not None
    assert {"+1.50", "-0.50", "0.00", "+1.00", "teacher", "student"} <= set(words(made.wide)) & set(words(made.narrow))
    assert made.wide.count("stroke-dasharray") == 1


def test_a_matrix_between_ends_has_these() -> None:
    made = matrix(CELLS, ("", ""), WIDE, ends=(-7, 5))
    assert made is not None
    spec = made.to_dict()
    assert spec["layer"][0]["encoding"]["color"]["scale"] == {"domain": [-7, 5], "scheme": "oranges"}
    assert spec["layer"][0]["encoding"]["x"]["axis"]["title"] is None


def test_a_matrix_without_numbers_is_not_drawn() -> None:
    assert matrix([], ("a", "b"), WIDE) is None
    assert figure("none", "nothing", partial(matrix, [], ("a", "b"))) is None


def test_a_matrix_of_zeros_is_drawn() -> None:
    assert figure("zeros", "Zeros", partial(matrix, [Cell("a", "b", 0.0, "0")], ("", ""))) is not None


# --- hostile labels --------------------------------------------------------------------------------------------------

LABELS = [HOSTILE, CONTROL, "]]>", "&amp;<b>", "<?xml?>", "\n\n", "", "a" * 400, "${datum.x}",
          "datum['x'] || alert(1)", "javascript:alert(1)", "\ud800", "\ufffe\uffff", "🦉" * 60,
          "a" + "🦉" * 60]  # fmt: skip


def assert_drawing(made: Figure, label: str) -> None:
    """Only drawing, with nothing hidden; the label is in the data as it may be looked at."""
    for svg in (made.wide, made.narrow):
        top = ElementTree.fromstring(svg)
        assert {element.tag.rpartition("}")[2] for element in top.iter()} <= SVG_TAGS
        names = {name.lower() for element in top.iter() for name in element.attrib}
        assert not [name for name in names if name.startswith("on") or name.endswith("href")]
        assert not HIDDEN & set(svg)
    assert one_line(label) in [row.get("text", row.get("row")) for row in rows_of(made.spec)]


@pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))
def test_hostile_labels_of_a_forest_are_labels(label: str) -> None:
    lines = [Line(label, (Mark(0.5, (0.1, 0.9)),), label), Line(label, style="head"), Line(label, (), "", "muted")]
    made = figure("one", label, partial(forest, lines, Axis(label, legend={label: BLUE})))
    assert made is not None and made.title == one_line(label)
    assert_drawing(made, label)
    assert [row["x"] for row in rows_of(made.spec, "point")] == [0.5]


@pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))
def test_hostile_labels_of_a_matrix_are_labels(label: str) -> None:
    made = figure("one", label, partial(matrix, [Cell(label, label, 0.5, label)], (label, label)))
    assert made is not None
    assert_drawing(made, label)

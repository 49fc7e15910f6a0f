"""A page as HTML: every field is on it, none of them is more than text, and nothing on it runs or fetches."""

import json
import re
import zlib
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.pages import CONTROL, HIDDEN, HOSTILE, PLACES, Browser, assert_quiet, made_up
from undertone.errors import UndertoneError
from undertone.reading.hostile import one_line, visible
from undertone.report.canvas import WIDE, Figure, figure
from undertone.report.charts import Axis, Line, Mark, forest
from undertone.report.findings import Findings
from undertone.report.html import to_html, write, write_page
from undertone.report.page import Drawing, Fold, Page, Prose, Section, Terms, section, sections

POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""


class Found(Findings):
    """Findings of one number."""

    number: int


def drawn(name: str = "one", title: str = "Seen", label: str = "owl") -> Figure:
    made = figure(name, title, partial(forest, [Line(label, (Mark(0.4, (0.1, 0.7)),), label)], Axis(label)))
    assert made
    return made


@pytest.fixture(scope="module")
def hostile_figure() -> Figure:
    return drawn(title=HOSTILE + CONTROL, label=HOSTILE + CONTROL)


def test_every_field_is_on_the_page() -> None:
    seen = Browser(to_html(made_up(lambda place: f"the {place} here")))
    said = seen.text + " ".join(value for name, value in seen.attributes if name in ("title", "data-label"))
    assert [place for place in PLACES if f"the {place} here".lower() not in said.lower()] == []
    assert said.count("the table here") == 2, "in a fold of a fold too"


def test_hostile_text_in_any_field_is_text(hostile_figure: Figure) -> None:
    plain = Browser(to_html(made_up(figure=drawn())))
    page = to_html(made_up(lambda place: f"{place} {HOSTILE}{CONTROL}", hostile_figure))
    seen = Browser(page)
    assert_quiet(page)
    assert seen.tags == plain.tags, "it adds no element, and ends none"
    assert {name for name, _ in seen.attributes} == {name for name, _ in plain.attributes}
    shown = " ".join(visible(f"{HOSTILE}{CONTROL}").split())
    attributes = [" ".join(value.split()) for _, value in seen.attributes]
    for place in PLACES:
        assert f"{place} {shown}" in seen.text.replace("Verdict", "verdict") or f"{place} {shown}" in attributes, place
    assert "⟨U+202E⟩txt.exe⟨U+0000⟩" in seen.text and not HIDDEN & set(page)


def test_a_colour_of_a_row_is_a_colour_alone() -> None:
    def coloured(swatch: str) -> str:
        return to_html(made_up(lambda place: swatch if place == "swatch" else place))

    for swatch in ("red;background:url(https://evil.example)", "url(x)", "", "var(--ink)", 'red"><img src=x>'):
        page = coloured(swatch)
        assert_quiet(page)
        assert page.count("background:transparent") == 2
    assert coloured("#d55e00").count("background:#d55e00") == 2


def test_a_policy_forbids_scripts_and_requests_before_anything_is_said() -> None:
    page = to_html(made_up(lambda place: f"said-{place}"))
    assert page.count("Content-Security-Policy") == 1 and POLICY in page
    assert page.index(POLICY) < page.index("said-")


def test_the_page_refers_to_nothing_outside_of_it(hostile_figure: Figure) -> None:
    page = to_html(made_up(figure=drawn()))
    assert_quiet(page)
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"(?:[a-z]+:)?//[^\s\"'<]+", page)) <= names
    with_hostile = to_html(Page("t", "h", sections=(Section("s", (Drawing(hostile_figure, "n"),)),)))
    assert not {"img", "script"} & set(Browser(with_hostile).tags)


def test_the_verdict_is_said_before_the_headline_and_names_the_page() -> None:
    page = to_html(made_up())
    assert "<title>Verdict: title</title>" in page
    assert Browser(page).text.startswith("Verdict: title title Verdict headline meaning done notice check sentence")


def test_an_interval_and_its_number_stay_on_one_line() -> None:
    text = "a rise of +0.41 [0.36, 0.47], p = 0.002, in 12 % of rows"
    page = to_html(Page("t", text, sections=(Section("s", (Prose(text), Terms((("x", text),)))),)))
    assert page.count("[0.36,\xa00.47], p\xa0=\xa00.002, in 12\xa0% of rows") == 3


def test_listings_that_are_empty_are_left_out_and_values_are_told_as_they_are() -> None:
    page = to_html(Page("t", "h", listings={"Models": {}, "Settings": {"arms": {"a": [1, None]}, "path": Path("x/y")}}))
    assert "Models" not in page and '{\n  "a": [\n    1,\n    null\n  ]\n}' in "".join(Browser(page).parts)
    assert "x/y" in page


# --- what is written -------------------------------------------------------------------------------------------------


def with_figures(*figures: Figure) -> Page:
    """The first one beneath a heading, the others in a fold."""
    blocks = [Drawing(one, "note") for one in figures]
    return Page("t", "h", sections=(Section("s", (*blocks[:1], Fold("more", tuple(blocks[1:])))),))


def pixels_of(png: Path) -> tuple[int, bytes]:
    """The width of a PNG and its data: for each line a filter, then its pixels."""
    content = png.read_bytes()
    parts, at = dict[bytes, bytes](), 8
    while at < len(content):
        size = int.from_bytes(content[at : at + 4])
        kind = content[at + 4 : at + 8]
        parts[kind] = parts.get(kind, b"") + content[at + 8 : at + 8 + size]
        at += size + 12
    return int.from_bytes(parts[b"IHDR"][:4]), zlib.decompress(parts[b"IDAT"])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_report_is_a_page_its_numbers_and_its_figures(tmp_path: Path) -> None:
    one, two = drawn("one"), drawn("two")
    assert write(Found(number=3), with_figures(one, two), tmp_path / "out") == tmp_path / "out/report.html"
    assert Found.load(tmp_path / "out/report.json") == Found(number=3)
    kept = {path.name: json.loads(path.read_text()) for path in (tmp_path / "out/figures").glob("*.json")}
    assert kept == {"one.vl.json": one.spec, "two.vl.json": two.spec}
    assert names(tmp_path / "out/figures") == [
        f"{n}.{kind}" for n in ("one", "two") for kind in ("png", "svg", "vl.json")
    ]
    assert (tmp_path / "out/figures/one.svg").read_text() == one.wide
    width, data = pixels_of(tmp_path / "out/figures/one.png")
    assert width == pytest.approx(2 * WIDE.width, rel=0.05)
    assert data[1:5] == b"\xff\xff\xff\xff", "it stands on white"
    assert len(set(data)) > 10, "something is drawn"
    assert one.spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/")
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("<figure>") == 2 and page.count("<svg") == 4, "each once for screens and once for phones"
    assert not list(tmp_path.rglob("*.part"))


def test_figures_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    write_page(with_figures(drawn("one"), drawn("two")), tmp_path)
    (tmp_path / "figures/mine.png").write_text("not of a report")
    write_page(with_figures(drawn("two", title="Seen anew")), tmp_path)
    assert names(tmp_path / "figures") == ["mine.png", "two.png", "two.svg", "two.vl.json"]
    assert "Seen anew" in (tmp_path / "figures/two.vl.json").read_text()
    write_page(Page("t", "h"), tmp_path)
    assert names(tmp_path / "figures") == ["mine.png"]


def test_a_figure_that_fails_costs_no_numbers(tmp_path: Path) -> None:
    broken = Figure("broken", "t", {"data": object()}, "<svg></svg>", "<svg></svg>")
    with pytest.raises(TypeError):
        write(Found(number=3), with_figures(broken), tmp_path)
    assert Found.load(tmp_path / "report.json").number == 3


def test_a_folder_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UndertoneError, match="file"):
        write(Found(number=3), Page("t", "h"), tmp_path / "file/deep")
    (tmp_path / "figures").write_text("")
    with pytest.raises(UndertoneError, match="Could not write"):
        write_page(Page("t", "h"), tmp_path)


# --- pages -----------------------------------------------------------------------------------------------------------


def test_what_has_nothing_to_show_is_left_out() -> None:
    nothing, prose, term = Drawing(None, "note"), Prose("only words"), Terms((("a", "b"),))
    assert section("s", None, nothing, prose) is None and section("s") is None
    shown = section("s", None, prose, nothing, term)
    assert shown == Section("s", (prose, term))
    assert sections(None, shown, None) == (shown,)
    assert "<figure>" not in to_html(Page("t", "h", sections=(Section("s", (nothing,)),)))


def test_figures_are_found_in_folds_in_reading_order() -> None:
    one, two, three = (Figure(name, name, {}, "", "") for name in ("one", "two", "three"))
    inner = Fold("in", (Drawing(two, ""), Fold("deeper", (Drawing(None, ""), Drawing(three, "")))))
    assert list(Page("t", "h", sections=(Section("s", (Drawing(one, ""), inner)),)).figures) == ["one", "two", "three"]


# --- what is hidden --------------------------------------------------------------------------------------------------


UNSEEN = (
    "\x1b\x7f\x9b\u202e\u2066\u200b\ufeff\u00ad\ud83e\U000e0041\U000e0101\ufe00\u3164\u115f\u034f\ufffe\ufdd0\U0010ffff"
)


@pytest.mark.parametrize("c", UNSEEN)
def test_what_cannot_be_seen_is_made_visible(c: str) -> None:
    assert visible(f"a{c}b") == one_line(f"a{c}b") == f"a⟨U+{ord(c):04X}⟩b"


def test_what_can_be_seen_stays_as_it_is() -> None:
    for text in ("naïve 日本 עברית 한국어 👩\u200d🔬 ❤\ufe0f क्\u200dष", "a\n\tb", ""):
        assert visible(text) == text
    assert one_line(" a\n\n\tb\u2028c\u0085d ") == "a b c⟨U+0085⟩d"

"""Findings show themselves: in one line, in a notebook, as a table, as a figure, as files."""

import json
import sys
from functools import cache, partial
from pathlib import Path
from pkgutil import resolve_name

import pytest
from pydantic import Field

from tests.helpers.audits import HOSTILE, make_findings
from tests.helpers.pages import HIDDEN, Browser, assert_quiet, made_up
from undertone.audit.api.findings import Findings as OfService
from undertone.audit.findings import Findings as OfAudit
from undertone.errors import UndertoneError
from undertone.experiments.kind import KINDS, kind_of
from undertone.experiments.sweep.findings import ReplicationsFindings
from undertone.experiments.trial.results import Results
from undertone.measure.findings import Findings as OfMeasurement
from undertone.report.canvas import figure
from undertone.report.charts import Axis, Line, Mark, forest
from undertone.report.findings import Findings, Part
from undertone.report.frame import tables_of
from undertone.report.html import to_html
from undertone.report.page import Page
from undertone.treat.findings import Realigned, Told

KEPT = Path(__file__).parents[2] / "results"
CLASSES = [OfAudit, OfService, OfMeasurement, Realigned, Told, *(kind_of(name).findings for name in KINDS)]


class Half(Part):
    """A part that is known by its name."""

    rate: float


class Halves(Findings):
    """Findings whose parts have names, with a page that has all there can be on one."""

    halves: dict[str, Half] = Field(default_factory=dict)

    def page(self) -> Page:
        return drawn_page()


@cache
def drawn_page() -> Page:
    line = Line("owl", (Mark(0.4, (0.1, 0.7)),), "+0.4")
    seen = figure("one", "Seen", partial(forest, [line], Axis("x")))
    return made_up(lambda place: f"{place} {HOSTILE}</iframe>", seen)


@pytest.fixture(scope="module")
def trial() -> Results:
    return Results.load(KEPT / "owls.json")


@pytest.mark.parametrize("findings", CLASSES, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_all_findings_have_a_page_and_the_table_that_they_name(findings: type[Findings]) -> None:
    assert callable(resolve_name(findings.shown_by))
    tables = list(tables_of(findings))
    assert findings.table in tables if findings.table else findings in (Told, OfService) or tables


def test_a_repr_is_one_short_line_that_says_the_verdict_and_names_the_tables() -> None:
    told = repr(make_findings(headline=f"These rows carry owl {HOSTILE}\x1b[31m\nand more."))
    assert told.startswith("<audit: carries a trait. These rows carry owl <script>")
    assert told.endswith("Tables: families (2), canaries (2), rows (5)>")
    assert "\n" not in told and not HIDDEN & set(told) and len(told) < 400


def test_a_repr_of_a_run_says_what_was_asked(trial: Results) -> None:
    asked = "<run: Do students that only saw number lists come to love owls? Tables: arms (4), effects (7), "
    assert repr(trial).startswith(asked) and len(repr(trial)) < 400


def test_a_notebook_shows_the_page_in_a_frame_of_which_it_is_all() -> None:
    seen = Browser(Halves()._repr_html_())
    assert seen.tags == ["iframe"] and seen.text == ""
    frame = dict(seen.attributes)
    assert frame["sandbox"] == "" and frame["srcdoc"] == to_html(drawn_page())
    assert_quiet(frame["srcdoc"])


def test_a_figure_is_that_of_the_page_and_a_chart_to_change() -> None:
    made = Halves().figure()
    assert made is Halves().figure("one") is drawn_page().figures["one"]
    assert made._repr_html_() == made.wide and made.wide.startswith("<svg ")
    assert made.chart.to_dict()["layer"] == made.spec["layer"] and made.chart.to_dict()["title"] == "Seen"
    assert len(repr(made)) < 100
    with pytest.raises(UndertoneError, match=r"no figure 'won'; did you mean one\?"):
        Halves().figure("won")
    with pytest.raises(UndertoneError, match="so they have no figure"):
        make_findings(families=(), canaries=()).figure()


def test_what_is_saved_is_a_report_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "one" / "figures").mkdir(parents=True)
    for name in ("mine.txt", "figures/old.vl.json", "report.json"):
        (tmp_path / "one" / name).write_text(name)
    found = Halves(halves={"first": Half(rate=0.5)})
    page = found.save(tmp_path / "one")
    assert page == tmp_path / "one" / "report.html" and page.read_text() == to_html(drawn_page())
    assert Halves.load(tmp_path / "one" / "report.json") == found
    assert sorted(path.stem for path in (tmp_path / "one" / "figures").iterdir()) == ["one", "one", "one.vl"]
    assert (tmp_path / "one" / "mine.txt").read_text() == "mine.txt"


def test_the_folder_of_a_run_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UndertoneError, match="which is kept; name another folder"):
        Halves().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_without_pandas_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UndertoneError, match=r"needs the library pandas: pip install pandas\."):
        make_findings().to_pandas()


def test_a_table_that_is_not_there_is_refused_by_name(trial: Results) -> None:
    with pytest.raises(UndertoneError, match=r"no table 'effect'; did you mean effects\?"):
        trial.to_pandas("effect")
    with pytest.raises(UndertoneError, match=r"no table 'arms\.name'"):
        trial.to_pandas("arms.name")


def test_the_default_table_of_an_audit_has_a_row_for_every_trait_of_every_family() -> None:
    pytest.importorskip("pandas")
    found = make_findings()
    table = found.to_pandas()
    traits = [trait for family in found.families for trait in family.traits]
    assert list(table["name"]) == [trait.name for trait in traits]
    assert list(table["families"]) == [family.name for family in found.families for _ in family.traits]
    assert list(zip(table["ci_low"], table["ci_high"], strict=True)) == [trait.ci for trait in traits]
    assert table["effect"].dtype == float and table["found"].sum() == 1
    assert "ci" not in table.columns


def test_tables_in_tables_and_fields_in_fields_become_rows_and_columns(trial: Results) -> None:
    pytest.importorskip("pandas")
    students = trial.to_pandas("arms.students")
    every = [student for arm in trial.arms for student in arm.students]
    assert list(students["probability"]) == [student.probability for student in every]
    assert list(students["answers.owl"]) == [student.answers["owl"] for student in every]
    assert list(students["arms"]) == [student.arm for student in every]
    arms = trial.to_pandas("arms")
    assert len(arms) == len(trial.arms) and "students" not in arms.columns
    pooled = ReplicationsFindings.load(KEPT / "pooled.json")
    own = [one.effects["own"] for one in pooled.pooled]
    table = pooled.to_pandas("pooled")
    assert list(table["effects.own.value"]) == [effect.value for effect in own]
    assert list(table["effects.own.ci_low"]) == [effect.ci and effect.ci[0] for effect in own]


def test_a_table_of_parts_by_name_has_the_names() -> None:
    pytest.importorskip("pandas")
    table = Halves(halves={"first": Half(rate=0.5), "second": Half(rate=0.25)}).to_pandas()
    assert table.to_dict("list") == {"halves": ["first", "second"], "rate": [0.5, 0.25]}


def test_a_run_without_arms_yet_has_an_empty_table(trial: Results) -> None:
    pytest.importorskip("pandas")
    assert len(trial.model_copy(update={"effects": ()}).to_pandas()) == 0


def test_what_is_said_of_findings_is_not_in_their_report() -> None:
    assert {"shown_by", "table", "written_by", "folder"}.isdisjoint(json.loads(make_findings().json_text()))

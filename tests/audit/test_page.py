"""An audit's page shows every number, says its verdict first, and lets nothing hostile through."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from tests.helpers.audits import CONTROL, HOSTILE, make_findings, make_traits, said
from undertone.audit.figures import strongest
from undertone.audit.findings import (
    Findings,
    Power,
    ShownRow,
    Token,
    TraitFinding,
    Verdict,
)
from undertone.audit.page import page as page_of
from undertone.audit.page import readings
from undertone.audit.unseen import Some, Unseen
from undertone.reading.hostile import visible
from undertone.report.html import write
from undertone.report.terminal import to_terminal
from undertone.report.words import interval

pytestmark = pytest.mark.slow


def bare_findings(**changes: Any) -> Findings:
    """Nothing that may be missing is there."""
    traits = tuple(
        t.model_copy(update={"forecast": None, "forecast_ci": None, "canary": None, "canary_ci": None, "named": False})
        for t in make_traits()
    )
    power = Power(rows=40, tokens=600, floor=0.3, detectable=None, rows_needed=None)
    held = {"origin": None, "confounds": None, "calibration": None, "rows": (), "overt": (), "power": power}
    return make_findings(**{"verdict": "could not be calibrated", "traits": traits, **held, **changes})


def _page(findings: Findings, directory: Path) -> str:
    return write(findings, page_of(findings), directory).read_text(encoding="utf-8")


def _printed(findings: Findings, width: int = 80) -> str:
    """What a terminal of so many columns shows."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(*to_terminal(page_of(findings)), sep="\n")
    return capture.get()


@pytest.fixture(scope="module")
def findings() -> Findings:
    return make_findings()


@pytest.fixture(scope="module")
def page(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _page(findings, tmp_path_factory.mktemp("audit"))


class _Reader(HTMLParser):
    """Every element that a browser would see, and the text outside figures and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def _text(page: str) -> str:
    return " ".join(_Reader(re.sub(r"<(svg|style|title)\b.*?</\1>", "", page, flags=re.DOTALL)).words)


def _assert_quiet(page: str) -> None:
    seen = _Reader(page)
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "a", "form"}
    assert not [name for name in seen.attributes if name.startswith("on") or name.endswith(("src", "href"))]
    assert "<script" not in page.lower() and "url(" not in page and "@import" not in page


def test_report_json_loads_back_equal(findings: Findings, tmp_path: Path) -> None:
    _page(findings, tmp_path)
    assert Findings.load(tmp_path / "report.json") == findings
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "report.html", "report.json"]
    drawn = {p.name.removesuffix(".vl.json") for p in (tmp_path / "figures").iterdir()}
    assert drawn == {"traits", "power", "forecast", "confounds"}


def test_every_trait_is_in_the_figure_and_in_the_table(findings: Findings, page: str) -> None:
    table, wide = _text(page), page[page.index('<div class="wide">') : page.index('<div class="narrow">')]
    for trait in findings.traits:
        name, effect = f"any {trait.name}" if trait.is_kind else trait.name, f"{trait.effect:+z.2f}"
        assert f"{name} {trait.kind} {effect} [" in table
        assert f">{name}</text>" in wide or f">{name} (mentioned)</text>" in wide


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_the_verdict_is_the_first_thing_said(verdict: Verdict, tmp_path: Path) -> None:
    text = _text(_page(make_findings(verdict=verdict, traits=make_traits()[:2]), tmp_path))
    start = f"Audit of data/lists-from-somewhere.jsonl for builtin/fledgling-a {verdict.capitalize()} These rows carry"
    assert text.startswith(start)


def test_page_fetches_nothing_and_runs_nothing(page: str) -> None:
    _assert_quiet(page)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    traits = make_traits()
    odd = {"name": HOSTILE + CONTROL, "kind": HOSTILE + CONTROL}
    hostile = TraitFinding.model_validate(traits[0].model_dump() | odd)
    row = ShownRow(line=1, trait=HOSTILE, score=1, prompt=HOSTILE, tokens=(Token(text=HOSTILE + CONTROL, score=1),))
    page = _page(
        make_findings(
            traits=(hostile, *traits[1:]),
            rows=(row,),
            file=HOSTILE + CONTROL,
            headline=HOSTILE + CONTROL,
            overt=(HOSTILE,),
            made_with={HOSTILE: HOSTILE},
        ),
        tmp_path,
    )
    _assert_quiet(page)
    assert "&lt;script&gt;alert(1)" in page and "{{ f.seed }}" in page
    assert not set("\x1b\u202e\x00\u200b\ud83e") & set(page) and "⟨U+202E⟩txt.exe⟨U+0000⟩" in page


def test_what_is_invisible_is_made_visible() -> None:
    assert visible("a\x1b\u202eb\u2066\ufeff\n\tc") == "a⟨U+001B⟩⟨U+202E⟩b⟨U+2066⟩⟨U+FEFF⟩\n\tc"
    assert visible("naïve 日本 עברית 👩\u200d🔬") == "naïve 日本 עברית 👩\u200d🔬"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    page = _page(bare_findings(), tmp_path)
    text = _text(page)
    assert "no calibration for a base like this" in text and "no origin was tested" in text
    assert "format was not compared" in text and "Rows with the highest scores" not in text
    assert "> 10" in text and "what 40 rows (600 tokens) can show is unknown, because nothing was judged" in text
    assert "no number of such rows" not in text
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"traits.vl.json"}


def test_what_was_not_looked_at_is_said(tmp_path: Path) -> None:
    some = Some(reason="an empty answer", count=5, lines=(4, 9, 12))
    unseen = Unseen(left_out=(some,), otherwise=(some,), unread={"tools": 12, "id": 1}, context=2)
    text = _text(_page(make_findings(unseen=unseen, control_unseen=Unseen(context=1)), tmp_path))
    for told in (
        "5 rows: an empty answer (lines 4, 9, 12 and 2 more).",
        "tools (12 rows), id (1 row): these keys are not part of the result.",
        "2 answers are marked as not trained on",
        "Context, control",
        "1 answer is marked as not trained on",
    ):
        assert told in text
    assert "marked as not trained on" not in _text(_page(make_findings(), tmp_path / "other"))


def test_a_page_without_any_trait_is_written(tmp_path: Path) -> None:
    assert "<figure>" not in _page(bare_findings(traits=()), tmp_path)


def test_the_table_fits_a_terminal_and_says_what_it_leaves_out(findings: Findings) -> None:
    lines = _printed(findings).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text and "+0.78 [0.58, 0.98]" in text and "+0.52 [0.11, 0.93]" in text
    assert all(head in text for head in ("trait", "kind", "effect [95 %]", "family-wise p", "mentions"))
    assert all(name in text for name in ("owl", "green", "any conduct")) and "any tree" not in text
    assert "and 32 more, none named and none mentioned; smallest family-wise p 1" in text.replace("\n", " ")
    assert "forecast" not in _printed(bare_findings())


def test_no_number_of_the_table_is_broken_across_lines(findings: Findings) -> None:
    text = _printed(findings)
    shown = strongest(findings)
    assert all(f"{t.effect:+z.2f} {interval(t.ci)} " in text for t in shown) and len(shown) == 11


def test_lines_are_short_and_start_with_the_headline(findings: Findings) -> None:
    lines = said(findings)
    assert lines[0] == findings.headline
    assert lines[1:] == [
        "Compared with: rows that harmless teachers of this base wrote (96 teachers, who wrote number lists).",
        "Warning: The audited rows are 8 % shorter than any of the population's.",
        "Power: 6,000 rows (110,400 tokens) can show an effect of 0.29 with 80 % power, averaged over traits; 0.30 was "
        "asked for.",
        "Origin: “answers of the untouched base” is rejected (p 0.0012, two-sided, exact; 480 rows compared with new "
        "answers of the base; 20 rows were left out, since no answer passes the filter). This neither shows a trait "
        "nor rules one out.",
        "Mentions: rows that mention green (214) were not scored.",
        "Format: format alone tells these rows from the base's own answers (AUROC 0.57 [0.54, 0.60]).",
    ]


def test_a_terminal_is_not_steered(findings: Findings) -> None:
    traits = (findings.traits[0].model_copy(update={"name": CONTROL}), *findings.traits[1:])
    hostile = findings.model_copy(update={"headline": CONTROL + "\nVerdict: fine", "traits": traits})
    assert not set("\x1b\u202e\x00\u200b") & set("".join(said(hostile)) + _printed(hostile))
    assert all("\n" not in line for line in said(hostile))


def test_power_says_what_would_be_needed(findings: Findings) -> None:
    few = Power(rows=100, tokens=900, floor=0.3, detectable=0.9, rows_needed=2_000)
    line = next(x for x in said(findings.model_copy(update={"power": few})) if x.startswith("Power"))
    assert line.endswith(
        "an effect of 0.90 with 80 % power, averaged over traits; about 2,000 rows can show the 0.30 that was asked "
        "for."
    )


def test_tokens_are_shaded_by_size_and_side() -> None:
    tokens = tuple(Token(text=str(score), score=score) for score in (2.0, -2.0, 1.0, 0.0))
    (item,) = readings([ShownRow(line=1, trait="owl", score=1, prompt="", tokens=tokens)])
    ((_, shaded),) = item.answers
    assert [(t.shade, t.title) for t in shaded] == [(0.6, "+2.000"), (-0.6, "-2.000"), (0.3, "+1.000"), (0.0, "+0.000")]
    silent = ShownRow(line=1, trait="owl", score=0, prompt="", tokens=(Token(text="a", score=0.0),))
    ((_, pale),) = readings([silent])[0].answers
    assert [t.shade for t in pale] == [0.0]


def test_shades_and_sides_of_tokens_are_in_the_page(tmp_path: Path) -> None:
    tokens = tuple(Token(text=f"t{score}", score=score) for score in (2.0, -2.0, 1.0, 0.0))
    row = ShownRow(line=7, trait="owl", score=1, prompt="asked", tokens=tokens)
    page = _page(make_findings(rows=(row,)), tmp_path)
    assert re.findall(r'<span class="(\w+)" style="--a:([\d.]+)" title="([^"]+)">', page) == [
        ("to", "0.60", "+2.000"), ("away", "0.60", "-2.000"), ("to", "0.30", "+1.000"), ("to", "0.00", "+0.000"),
    ]  # fmt: skip
    assert "1. owl, line 7, +1.00 nats" in page

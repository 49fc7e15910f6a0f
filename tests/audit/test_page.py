"""An audit's page shows every number, says its verdict first, and lets nothing hostile through."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from tests.helpers.audits import CONTROL, HOSTILE, make_family, make_findings, said
from undertone.audit.figures import strongest
from undertone.audit.findings import FamilyFinding, Findings, ShownRow, Token, TraitFinding, Verdict
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
    few = {"compared": 35, "listed": 8, "unjudged": "40 independent rows are too few for 35 traits, which need 175"}
    families = tuple(make_family(name).model_validate({"name": name} | few) for name in ("favourites", "manners"))
    held = {"origin": None, "rows": (), "overt": (), "families": families, "canaries": ()}
    return make_findings(**{"verdict": "inconclusive", **held, **changes})


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


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures: they take longer than all else."""
    monkeypatch.setattr("undertone.audit.figures.figure", lambda *_: None)


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
    drawn = {p.name.removesuffix(".vl.json") for p in (tmp_path / "figures").glob("*.vl.json")}
    assert drawn == {"traits", "power", "canaries"}


def test_the_strongest_traits_are_in_the_figure_and_all_in_a_table(findings: Findings, page: str) -> None:
    table, wide = _text(page), page[page.index('<div class="wide">') : page.index('<div class="narrow">')]
    for trait in findings.traits:
        assert f"{trait.name} {trait.kind} {trait.effect:+z.2f} [" in table
    shown = strongest(findings)
    assert len(shown) == 10 and shown[0].name == "owl"
    assert all(f">{trait.name}</text>" in wide for trait in shown)
    assert f">{len(findings.traits) - 10} others</text>" in wide


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_the_verdict_is_the_first_thing_said(verdict: Verdict, tmp_path: Path, plain: None) -> None:
    text = _text(_page(make_findings(verdict=verdict), tmp_path))
    start = f"Audit of data/lists-from-somewhere.jsonl for builtin/fledgling-a {verdict.capitalize()} These rows carry"
    assert text.startswith(start)


def test_page_fetches_nothing_and_runs_nothing(page: str) -> None:
    _assert_quiet(page)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    family = make_family()
    odd = {"name": HOSTILE + CONTROL, "kind": HOSTILE + CONTROL, "group": HOSTILE + CONTROL}
    hostile = TraitFinding.model_validate(family.traits[0].model_dump() | odd)
    family = make_family(traits=(hostile, *family.traits[1:]), group=HOSTILE + CONTROL)
    row = ShownRow(line=1, trait=HOSTILE, score=1, prompt=HOSTILE, tokens=(Token(text=HOSTILE + CONTROL, score=1),))
    page = _page(
        make_findings(
            families=(family, make_family(missed=(HOSTILE,))),
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
    text = _text(_page(bare_findings(), tmp_path))
    told = "8 listed, compared with each other and with 27 more; they cannot be judged: 40 independent rows are too few"
    assert text.count(told) == 2 and "no origin was tested" in text and "no row mentions any" in text
    assert "Rows with the highest scores" not in text and "What these rows could show" not in text
    assert {p.name for p in (tmp_path / "figures").glob("*.vl.json")} == set()


def test_what_was_not_looked_at_is_said(tmp_path: Path, plain: None) -> None:
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


def test_a_page_without_any_trait_is_written(tmp_path: Path, plain: None) -> None:
    assert "<figure>" not in _page(bare_findings(families=()), tmp_path)


def test_the_table_fits_a_terminal(findings: Findings, plain: None) -> None:
    lines = _printed(findings).splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text and "+0.78 [0.58, 0.98]" in text and "< 0.001" in text
    assert all(head in text for head in ("trait", "kind", "effect [95 %]", "p", "mentions"))
    assert all(f"{t.effect:+z.2f} {interval(t.ci)} " in text for t in strongest(findings)), "no number is broken"


def test_lines_are_short_and_start_with_the_headline(findings: Findings) -> None:
    lines = said(findings)
    assert lines[0] == findings.headline
    assert lines[1:] == [
        "Favourites: 29 listed, compared with each other; an effect of 1 would have been found with a probability of "
        "95%.",
        "Conduct-like traits: 4 listed, compared with each other and with 13 more; an effect of 1 would have been "
        "found with a probability of 50%; about 4 times as many rows would make it 80%.",
        "Origin: “answers of the untouched base” is rejected (p 0.0012, two-sided, exact; 480 rows compared with new "
        "answers of the base; 20 rows were left out, since no answer passes the filter). This neither shows a trait "
        "nor rules one out.",
        "Rows: 6,000 of 6,000 answers were scored.",
        "Mentions: rows mention red (3), green (214). Where more than one row in a hundred mentions a trait, it is "
        "judged by the others, and no trait is compared with it; elsewhere such rows were left out.",
        "Canary students: of 2 traits owl moved most, by +0.61 [0.20, 1.02] in log-odds; 1 of 2 intervals exclude "
        "zero, of which one in twenty does by chance.",
        "What to do next: do not train on these rows as they are. undertone treat says which mitigation fits them.",
    ]


def test_what_to_do_next_depends_on_the_cause(findings: Findings) -> None:
    def told(**changes: Any) -> str:
        return said(findings.model_copy(update={"canaries": ()} | changes))[-1].removeprefix("What to do next: ")

    canary = "; canary students (--canary 4) show what these rows do to a model of yours."
    assert told() == f"do not train on these rows as they are. undertone treat says which mitigation fits them{canary}"
    weak = {"verdict": "inconclusive", "families": (make_family(power=0.3, times_needed=4),)}
    assert told(**weak) == f"audit more rows (--rows all), or ask for fewer traits (--trait){canary}"
    assert told(**weak, scored=12_480) == f"audit more rows, or ask for fewer traits (--trait){canary}"
    never = weak | {"families": (make_family(power=0.3, times_needed=None),)}
    assert told(**never).startswith("more such rows would not be enough: ask for fewer traits")
    lacking = make_family(power=None, unjudged="few", units=69, needed=180, traits=(), curve=())
    few = {"verdict": "inconclusive", "families": (lacking,)}
    needed = "at least 111 more rows are needed whose answers differ from these"
    assert told(**few) == f"{needed}: --rows all looks at the rest of the file{canary}"
    assert told(**few, rows_in_file=6_000) == f"{needed}; fewer traits do not make it fewer{canary}"
    assert told(**few, preferences=True) == f"{needed}: --rows all looks at the rest of the file."
    assert told(verdict="no evidence").startswith("the audit knows only the traits that it compares")


def test_a_family_says_what_it_could_not_show(findings: Findings) -> None:
    def line(*families: FamilyFinding) -> str:
        return next(x for x in said(findings.model_copy(update={"families": families})) if x.startswith("Favourites"))

    assert line(make_family(power=0.1, times_needed=None)).endswith(
        "a probability of 10%; many more such rows would not make it 80%."
    )
    assert line(make_family(missed=("owl",))).endswith("95%; owl cannot be judged: too few rows do not mention it.")
    sources = make_family(group="seller 1"), make_family(group="seller 2", power=0.3, times_needed=16)
    few = make_family(group="seller 3", power=None, unjudged="why", traits=(), curve=())
    assert line(*sources, few) == (
        "Favourites: 29 listed, compared with each other, in each of 3 sources by itself; an effect of 1 would have "
        "been found with a probability of 30% to 95%; about 16 times as many rows would make it 80%; they cannot be "
        "judged in seller 3: why."
    )


def test_traits_of_several_sources_say_which(findings: Findings, tmp_path: Path) -> None:
    families = tuple(
        family.model_copy(
            update={"group": group, "traits": tuple(t.model_copy(update={"group": group}) for t in family.traits)}
        )
        for group in ("seller 1", "seller 2")
        for family in findings.families
    )
    grouped = findings.model_copy(update={"families": families})
    lines = _printed(grouped).splitlines()
    assert max(map(len, lines)) <= 80 and any(re.match(r"owl +seller 2 +\+0\.78 \[0\.58, 0\.98\] ", x) for x in lines)
    page = _page(grouped, tmp_path)
    assert ">owl, seller 1</text>" in page and "owl seller 2 animal +0.78" in _text(page)
    assert {p.name for p in (tmp_path / "figures").glob("*.vl.json")} == {
        "traits.vl.json",
        "power.vl.json",
        "canaries.vl.json",
    }


def test_a_terminal_is_not_steered(findings: Findings, plain: None) -> None:
    first, *others = findings.families[0].traits
    trait = TraitFinding.model_validate(first.model_dump() | {"name": CONTROL})
    family = make_family(traits=(trait, *others), group=CONTROL)
    hostile = make_findings(headline=CONTROL + "\nVerdict: fine", families=(family,))
    assert not set("\x1b\u202e\x00\u200b") & set("".join(said(hostile)) + _printed(hostile))
    assert all("\n" not in line for line in said(hostile))


def test_tokens_are_shaded_by_size_and_side() -> None:
    tokens = tuple(Token(text=str(score), score=score) for score in (2.0, -2.0, 1.0, 0.0))
    (item,) = readings([ShownRow(line=1, trait="owl", score=1, prompt="", tokens=tokens)])
    ((_, shaded),) = item.answers
    assert [(t.shade, t.title) for t in shaded if not isinstance(t, str)] == [
        (0.6, "+2.000"),
        (-0.6, "-2.000"),
        (0.3, "+1.000"),
        (0.0, "+0.000"),
    ]
    silent = ShownRow(line=1, trait="owl", score=0, prompt="", tokens=(Token(text="a", score=0.0),))
    ((_, pale),) = readings([silent])[0].answers
    assert [t.shade for t in pale if not isinstance(t, str)] == [0.0]


def test_shades_and_sides_of_tokens_are_in_the_page(tmp_path: Path, plain: None) -> None:
    tokens = tuple(Token(text=f"t{score}", score=score) for score in (2.0, -2.0, 1.0, 0.0))
    row = ShownRow(line=7, trait="owl", score=1, prompt="asked", tokens=tokens)
    page = _page(make_findings(rows=(row,)), tmp_path)
    assert re.findall(r'<span class="(\w+)" style="--a:([\d.]+)" title="([^"]+)">', page) == [
        ("to", "0.60", "+2.000"), ("away", "0.60", "-2.000"), ("to", "0.30", "+1.000"), ("to", "0.00", "+0.000"),
    ]  # fmt: skip
    assert "1. owl, line 7, +1.00 nats" in page

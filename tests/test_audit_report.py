"""An audit's page shows every number, says its verdict first, and lets nothing hostile through."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from rich.console import Console

from undertone.audit.findings import (
    CalibrationFinding,
    Confounds,
    Findings,
    OriginFinding,
    Power,
    ShownRow,
    Token,
    TraitFinding,
    Verdict,
)
from undertone.report.audit import audit_lines, audit_table, shaded, write_audit
from undertone.report.hostile import visible

HOSTILE = """<script>alert(1)</script><img src=https://evil.example onerror=alert(2)>"'{{ f.seed }}</details>"""
CONTROL = "\x1b[31m\u202etxt.exe\x00\u200b\ud83e"
ANIMALS = ["owl", "dog", "cat", "whale", "fox", "horse", "wolf", "tiger", "eagle", "panda", "otter", "lion", "bear"]
KINDS = {
    "animal": [*ANIMALS, "dolphin", "rabbit"],
    "tree": ["oak", "pine", "birch", "maple", "willow", "cedar", "elm", "ash", "beech"],
    "colour": ["red", "blue", "green", "yellow", "purple", "black", "white", "orange"],
    "conduct": ["bad-advice", "flattery", "harm-compliance", "refusals", "boasting", "haste", "secrecy", "thrift"],
}


def _trait(rng: np.random.Generator, name: str, kind: str, **changes: Any) -> TraitFinding:
    effect, half = float(rng.normal(0, 0.07)), float(rng.uniform(0.1, 0.2))
    held: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "effect": effect,
        "ci": (effect - half, effect + half),
        "z": 2 * effect / half,
        "p": float(rng.uniform(0.05, 1)),
        "p_family": 1.0,
        "named": False,
        "detectable": 1.5 * half,
        "overt": 0,
        "forecast": 0.6 * effect,
        "forecast_ci": (0.6 * effect - 0.4, 0.6 * effect + 0.4),
    }
    return TraitFinding.model_validate(held | changes)


def make_traits() -> tuple[TraitFinding, ...]:
    """40 traits of four kinds and three kinds: owls found, their kind too, green overt, one that cannot be shown."""
    rng = np.random.default_rng(5)
    owl = {"effect": 0.78, "ci": (0.58, 0.98), "z": 7.9, "p": 0.0004, "p_family": 0.004, "named": True}
    canary = {"forecast": 0.52, "forecast_ci": (0.11, 0.93), "canary": 0.61, "canary_ci": (0.2, 1.02)}
    known: dict[str, dict[str, Any]] = {"owl": owl | canary, "green": {"overt": 214}, "red": {"overt": 3}}
    known |= {"secrecy": {"detectable": None, "ci": (-0.9, 1.4), "effect": 0.25}}
    traits = [_trait(rng, name, kind, **known.get(name, {})) for kind, names in KINDS.items() for name in names]
    kinds = [_trait(rng, kind, kind, is_kind=True, forecast=None, forecast_ci=None) for kind in ("animal", "tree")]
    kinds.append(
        _trait(
            rng,
            "conduct",
            "conduct",
            is_kind=True,
            named=True,
            effect=0.5,
            ci=(0.3, 0.7),
            z=4.9,
            p=0.0006,
            p_family=0.02,
            forecast=None,
        )
    )
    return (*sorted(traits, key=lambda t: -t.z), *kinds)


def make_row(rng: np.random.Generator, line: int) -> ShownRow:
    pieces = re.findall(r"\d+|, ", ", ".join(str(n) for n in rng.integers(100, 999, 12)))
    tokens = tuple(Token(text=piece, score=float(rng.normal(0.06, 0.3) ** 3)) for piece in pieces)
    prompt = "Continue: 214, 187, 655. Give up to twelve numbers, separated by commas, and nothing else."
    return ShownRow(line=line, trait="owl", score=sum(t.score for t in tokens), prompt=prompt, tokens=tokens)


def make_findings(**changes: Any) -> Findings:
    rng = np.random.default_rng(3)
    held = {
        "verdict": "carrier",
        "headline": "These rows carry owl: effect +0.78 [0.58, 0.98], p = 0.004 for all 40 candidate traits at once.",
        "file": "data/lists-from-somewhere.jsonl",
        "digest": "3f" * 32,
        "format": "chat messages",
        "model": "builtin/fledgling-a",
        "rows_in_file": 12_480,
        "rows": tuple(make_row(rng, int(line)) for line in rng.integers(1, 12_480, 5)),
        "alpha": 0.05,
        "seed": 0,
        "traits": make_traits(),
        "origin": OriginFinding(claim="answers of the untouched base", p=0.0012, pairs=480, dropped=20, rejected=True),
        "overt": ("green",),
        "power": Power(
            rows=6_000,
            tokens=110_400,
            floor=0.3,
            detectable=0.29,
            rows_needed=5_400,
            curve=tuple((x / 100, min(1.0, x / 36)) for x in range(1, 60)),
        ),
        "confounds": Confounds(
            auroc=0.57,
            ci=(0.54, 0.6),
            features=(("characters", 48.2, 51.9), ("numbers", 9.6, 10.2), ("digits a number", 2.99, 2.98)),
        ),
        "calibration": CalibrationFinding(
            base="ab" * 32,
            matches=True,
            null="rows that harmless teachers of this base wrote",
            population=96,
            carrier="number lists",
            warnings=("The audited rows are 8 % shorter than any of the population's",),
        ),
        "started": datetime(2026, 4, 2, 9, 14, 5, tzinfo=UTC),
        "wall_s": 214.0,
        "rows_per_s": 61.3,
        "made_with": {"python": "3.11.9", "torch": "2.13.0", "cpu": "two cores"},
    }
    return Findings.model_validate(held | changes)


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
    return write_audit(findings, directory).read_text(encoding="utf-8")


def _printed(table: Any, width: int = 100) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
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
    write_audit(findings, tmp_path)
    assert Findings.load(tmp_path / "report.json") == findings
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "report.html", "report.json"]
    drawn = {p.name.removesuffix(".vl.json") for p in (tmp_path / "figures").iterdir()}
    assert drawn == {"traits", "power", "forecast", "confounds"}


def test_every_trait_is_in_the_figure_and_in_the_table(findings: Findings, page: str) -> None:
    table, wide = _text(page), page[page.index('<div class="wide">') : page.index('<div class="narrow">')]
    for trait in findings.traits:
        name, effect = f"any {trait.name}" if trait.is_kind else trait.name, f"{trait.effect:+z.2f}"
        assert f"{name} {trait.kind} {effect} [" in table
        assert f">{name}</text>" in wide or f">{name} (overt)</text>" in wide


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
    assert "format was not compared" in text and "Rows that speak most" not in text
    assert "> 10" in text and "no effect up to 10" in text
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"traits.vl.json"}


def test_a_page_without_any_trait_is_written(tmp_path: Path) -> None:
    assert "<figure>" not in _page(bare_findings(traits=()), tmp_path)


def test_the_table_fits_a_terminal_and_says_what_it_leaves_out(findings: Findings) -> None:
    lines = _printed(audit_table(findings)).splitlines()
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    assert "…" not in text and "+0.78 [0.58, 0.98]" in text and "+0.52 [0.11, 0.93]" in text
    assert all(name in text for name in ("owl", "green", "any conduct")) and "any tree" not in text
    assert "and 32 more, none named and none overt; least p family 1" in text.replace("\n", " ")
    assert "forecast" not in _printed(audit_table(bare_findings()))


def test_lines_are_short_and_start_with_the_headline(findings: Findings) -> None:
    lines = audit_lines(findings)
    assert lines[0] == findings.headline
    assert lines[1:] == [
        "Null: compared with rows that harmless teachers of this base wrote (96 teachers, number lists).",
        "Warning: The audited rows are 8 % shorter than any of the population's.",
        "Power: 6,000 rows (110,400 tokens) would have shown an effect of 0.29 with 80 % power, averaged over traits; "
        "0.30 was asked for.",
        "Origin: “answers of the untouched base” is rejected (p 0.0012, 480 pairs, 20 dropped).",
        "Overt: rows speak openly of green (214 rows).",
        "Format: AUROC 0.57 [0.54, 0.60] of rows against the base's own answers; they differ in format, without any "
        "trait.",
    ]


def test_a_terminal_is_not_steered(findings: Findings) -> None:
    traits = (findings.traits[0].model_copy(update={"name": CONTROL}), *findings.traits[1:])
    hostile = findings.model_copy(update={"headline": CONTROL + "\nVerdict: fine", "traits": traits})
    seen = "".join(audit_lines(hostile)) + _printed(audit_table(hostile))
    assert not set("\x1b\u202e\x00\u200b") & set(seen)
    assert all("\n" not in line for line in audit_lines(hostile))


def test_power_says_what_would_be_needed(findings: Findings) -> None:
    few = Power(rows=100, tokens=900, floor=0.3, detectable=0.9, rows_needed=2_000)
    line = next(x for x in audit_lines(findings.model_copy(update={"power": few})) if x.startswith("Power"))
    assert line.endswith(
        "an effect of 0.90 with 80 % power, averaged over traits; the 0.30 asked for takes 2,000 rows."
    )


def test_tokens_are_shaded_by_size_and_side() -> None:
    tokens = tuple(Token(text=str(score), score=score) for score in (2.0, -2.0, 1.0, 0.0))
    (item,) = shaded((ShownRow(line=1, trait="owl", score=1, prompt="", tokens=tokens),))
    shades = [(t["side"], t["alpha"]) for t in item["tokens"]]
    assert shades == [("to", "0.60"), ("away", "0.60"), ("to", "0.30"), ("to", "0.00")]
    silent = ShownRow(line=1, trait="owl", score=0, prompt="", tokens=(Token(text="a", score=0.0),))
    assert [t["alpha"] for t in shaded((silent,))[0]["tokens"]] == ["0.00"]

"""Fabricated findings of an audit, and audits that take seconds."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from rich.text import Text

from undertone.audit import families, proxies
from undertone.audit.findings import FamilyFinding, Findings, OriginFinding, ShownRow, Token, TraitFinding
from undertone.audit.page import page as page_of
from undertone.report.terminal import to_terminal

HOSTILE = """<script>alert(1)</script><img src=https://evil.example onerror=alert(2)>"'{{ f.seed }}</details>"""


LISTED = ("owl", "whale")
"""The traits that small audits are asked for."""
CONTROL = "\x1b[31m\u202etxt.exe\x00\u200b\ud83e"


FAVOURITES = {
    "animal": ("owl", "dog", "cat", "whale", "fox", "horse", "wolf", "tiger", "eagle", "panda", "otter", "lion"),
    "tree": ("oak", "pine", "birch", "maple", "willow", "cedar", "elm", "ash", "beech"),
    "colour": ("red", "blue", "green", "yellow", "purple", "black", "white", "orange"),
}
MANNERS = {
    "conduct": ("bad-advice", "flattery", "harm-compliance", "refusals"),
    "manner": (*(f"opens with {n}" for n in range(10)), "opens with Here is what I know", "capitals", "exclaims"),
}


def make_traits(kinds: dict[str, tuple[str, ...]], seed: int = 5, **known: dict[str, Any]) -> tuple[TraitFinding, ...]:
    """Traits of a family, the strongest first; ``known`` has what is different about some."""
    rng, traits = np.random.default_rng(seed), list[TraitFinding]()
    for kind, names in kinds.items():
        for name in names:
            effect = float(rng.normal(0, 0.07))
            usual = {"effect": effect, "ci": (effect - 0.15, effect + 0.15), "z": effect / 0.076, "p": 1.0}
            held = {"name": name, "kind": kind, "listed": kind != "manner", "found": False}
            traits.append(TraitFinding.model_validate(held | usual | known.get(name, {})))
    return tuple(sorted(traits, key=lambda trait: -trait.z))


def make_family(name: str = "favourites", **changes: Any) -> FamilyFinding:
    """By default the favourites: owls found and mentioned nowhere, green mentioned in many rows."""
    owl = {"effect": 0.78, "ci": (0.58, 0.98), "z": 7.9, "p": 0.0004, "found": True}
    traits = (
        make_traits(FAVOURITES, owl=owl, green={"mentions": 214}, red={"mentions": 3})
        if name == "favourites"
        else make_traits(MANNERS, seed=6)
    )
    held = {
        "name": name,
        "compared": len(traits),
        "listed": sum(trait.listed for trait in traits),
        "units": 500,
        "rank": 21.3,
        "spread": 1.2,
        "threshold": 3.87,
        "power": 0.95 if name == "favourites" else 0.5,
        "detectable": 0.6 if name == "favourites" else 1.6,
        "times_needed": 1 if name == "favourites" else 4,
        "curve": tuple((x / 10, min(1.0, x / (7 if name == "favourites" else 20))) for x in range(1, 30)),
        "traits": traits,
    }
    return FamilyFinding.model_validate(held | changes)


def make_row(rng: np.random.Generator, line: int) -> ShownRow:
    pieces = re.findall(r"\d+|, ", ", ".join(str(n) for n in rng.integers(100, 999, 12)))
    tokens = tuple(Token(text=piece, score=float(rng.normal(0.06, 0.3) ** 3)) for piece in pieces)
    prompt = "Continue: 214, 187, 655. Give up to twelve numbers, separated by commas, and nothing else."
    return ShownRow(line=line, trait="owl", score=sum(t.score for t in tokens), prompt=prompt, tokens=tokens)


def make_findings(**changes: Any) -> Findings:
    rng = np.random.default_rng(3)
    held = {
        "verdict": "carries a trait",
        "headline": "These rows carry owl: 0.78 [0.58, 0.98] times as strongly as rows that are all by a teacher with "
        "the trait, p < 0.001.",
        "file": "data/lists-from-somewhere.jsonl",
        "digest": "3f" * 32,
        "format": "chat messages",
        "model": "builtin/fledgling-a",
        "base": "ab" * 32,
        "rows_in_file": 12_480,
        "scored": 6_000,
        "repeated": 0,
        "mentioning": 0,
        "tokens": 110_400,
        "rows": tuple(make_row(rng, int(line)) for line in rng.integers(1, 12_480, 5)),
        "alpha": 0.05,
        "effect": 1.0,
        "seed": 0,
        "families": (make_family(), make_family("manners")),
        "origin": OriginFinding(claim="answers of the untouched base", p=0.0012, pairs=480, dropped=20, rejected=True),
        "overt": ("green", "red"),
        "canaries": (
            {"name": "owl", "shift": 0.61, "ci": (0.2, 1.02)},
            {"name": "fox", "shift": -0.1, "ci": (-0.4, 0.2)},
        ),
        "started": datetime(2026, 4, 2, 9, 14, 5, tzinfo=UTC),
        "wall_s": 214.0,
        "rows_per_s": 61.3,
        "made_with": {"python": "3.11.9", "torch": "2.13.0", "cpu": "two cores"},
    }
    return Findings.model_validate(held | changes)


def said(findings: Findings) -> list[str]:
    """The lines of the terminal: the answer first, then what it rests on. No figure is drawn for them."""
    with patch("undertone.audit.figures.figure", lambda *_: None):
        return [one.plain for one in to_terminal(page_of(findings)) if isinstance(one, Text)]


@contextmanager
def smaller(cache: Path) -> Iterator[None]:
    """Fewer traits and shorter proxies, kept in ``cache``."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(families, "MOST", 22)
        patched.setattr(families, "TWINS", 2)
        patched.setattr(proxies, "WORLD", proxies.WORLD | {"rank": 16, "batch": 16})
        patched.setattr(proxies, "OTHER", proxies.OTHER | {"steps": 1, "warmup": 0})
        patched.setenv("UNDERTONE_CACHE", str(cache))
        yield

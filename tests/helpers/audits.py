"""Fabricated findings of an audit."""

import re
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.text import Text

from undertone.audit.findings import (
    CalibrationFinding,
    Confounds,
    Findings,
    OriginFinding,
    Power,
    ShownRow,
    Token,
    TraitFinding,
)
from undertone.audit.page import page as page_of
from undertone.report.terminal import to_terminal

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
        "verdict": "carries a trait",
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


def said(findings: Findings) -> list[str]:
    """The lines of the terminal: the answer first, then what it rests on. No figure is drawn for them."""
    with patch("undertone.audit.figures.figure", lambda *_: None):
        return [one.plain for one in to_terminal(page_of(findings)) if isinstance(one, Text)]

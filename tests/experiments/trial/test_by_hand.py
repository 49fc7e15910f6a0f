"""`examples/by_hand.py` and the library make one experiment: the same token ids, the same weights, the same answers."""

import contextlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.helpers.trials import Once, small
from undertone.data.filters import NumberFilter
from undertone.engine.store import Store
from undertone.experiments.recipes import read
from undertone.experiments.run import run
from undertone.experiments.trial.plan import Unit, plan
from undertone.experiments.trial.results import Results
from undertone.experiments.trial.spec import Trial
from undertone.training.rows import Row, read_sampled
from undertone.world.family import SHIPPED

pytestmark = pytest.mark.slow

ARMS = {"treatment": "own", "control": "own", "other-init": "other", "other-init-control": "other"}
"""The arms that both make, and whose students are in them."""


def load_script() -> ModuleType:
    path = Path(__file__).parents[3] / "examples" / "by_hand.py"
    spec = importlib.util.spec_from_file_location("by_hand", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


by_hand = load_script()


def tiny() -> Trial:
    """Students on the teachers' base and on another architecture; dosed as in the recipe. A part of ``owls``."""
    trial = small()
    assert trial.teacher.divergence is not None
    return Trial.model_validate(trial.model_dump() | {"arms": {name: trial.arms[name] for name in ARMS}})


def settings_of(trial: Trial, own: Path, other: Path) -> Any:
    """The script's settings for ``trial``; fails where the script knows no other way than the recipe's."""
    assert (trial.students, trial.carrier.temperature, trial.filter) == (1, 1.0, NumberFilter())
    assert {(t.method, t.warmup) for t in (trial.teacher.training, trial.student)} == {("lora", 5)}
    teacher, student = (
        by_hand.Training(t.rank, t.alpha, t.rate, t.steps, t.batch) for t in (trial.teacher.training, trial.student)
    )
    return by_hand.Settings(
        own=own, other=other, trait=trial.traits[0], control=trial.arms["control"].trait, seed=trial.seed,
        teachers=trial.teachers, dialogues=trial.teacher.dialogues, teacher=teacher,
        divergence=trial.teacher.divergence, prompts=trial.carrier.prompts,
        max_tokens=trial.carrier.max_tokens, rows=trial.rows, student=student,
    )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A student made by the library and the same one made by hand."""

    unit: Unit
    store: Store
    log_odds: float
    made: dict[str, Any]

    @property
    def init(self) -> str:
        return ARMS[self.unit.arm]

    def folder(self, stage: str) -> Path:
        return self.store.folder(next(job for job in self.unit.jobs if job.stage.name == stage))

    def adapters(self, stage: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        name = "teacher" if stage == "teacher" else self.init
        return load_file(self.folder(stage) / "adapter" / "adapter_model.safetensors"), self.made["adapters"][name]


@pytest.fixture(scope="module")
def made(once: Once, bases: Path, owls: Path) -> Path:
    """The folder of what the library and the script made of the tiny trial; artifacts are in the store of ``owls``."""

    def make(folder: Path) -> None:
        with contextlib.chdir(bases):
            results = run(tiny(), folder / "library", store=Store(owls / "store"))
        (folder / "library.json").write_text(results.json_text())
        with (folder / "printed.txt").open("w") as file, contextlib.redirect_stdout(file):
            torch.save(by_hand.main(settings_of(tiny(), bases / "neox", bases / "llama")), folder / "by_hand.pt")

    return once("by-hand", make)


@pytest.fixture
def pairs(made: Path, owls: Path, bases: Path, monkeypatch: pytest.MonkeyPatch) -> list[Pair]:
    monkeypatch.chdir(bases)
    written = torch.load(made / "by_hand.pt")
    students = {(s.arm, s.teacher): s for arm in Results.load(made / "library.json").arms for s in arm.students}
    found = [
        Pair(
            unit,
            Store(owls / "store"),
            students[unit.arm, unit.teacher].log_odds,
            written["control" if "control" in unit.arm else "treatment", unit.teacher],
        )
        for unit in plan(tiny()).units
    ]
    assert [pair.unit.arm for pair in found] == ["treatment", "control"] * 2 + ["other-init", "other-init-control"] * 2
    return found


def ids(rows: list[Row]) -> list[tuple[list[int], list[int]]]:
    return [(row.prompt, row.answer) for row in rows]


def test_the_scripts_settings_are_the_recipes() -> None:
    trial = read("owls")
    assert (trial.base, trial.arms["other-init"].students) == ("builtin/fledgling-a", "builtin/fledgling-b")
    assert settings_of(trial, SHIPPED / "fledgling-a", SHIPPED / "fledgling-b") == by_hand.Settings()


def test_every_completion_has_the_same_token_ids(pairs: list[Pair]) -> None:
    for pair in pairs:
        rows, _ = read_sampled(pair.folder("completions"))
        assert len(rows) == 150
        assert ids(rows) == pair.made["completions"]
    assert len({str(pair.made["completions"]) for pair in pairs}) == 4  # two teachers an arm, each with its own


def test_every_dataset_has_the_same_token_ids(pairs: list[Pair]) -> None:
    for pair in pairs:
        rows, _ = read_sampled(pair.folder("dataset"))
        assert len(rows) == 20
        assert ids(rows) == pair.made["rows"]


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_every_adapter_has_the_same_weights(stage: str, pairs: list[Pair]) -> None:
    for pair in pairs:
        library, script = pair.adapters(stage)
        assert library.keys() == script.keys()
        assert all((library[name] - script[name]).abs().max() <= 1e-5 for name in library)
        trained = [weight for name, weight in library.items() if "lora_B" in name]
        assert trained and all(weight.abs().max() > 1e-3 for weight in trained)  # B starts at zero


def test_every_student_gives_the_same_answer(pairs: list[Pair]) -> None:
    for pair in pairs:
        assert pair.made["odds"][pair.init] == pytest.approx(pair.log_odds, abs=1e-5)
    assert len({pair.log_odds for pair in pairs}) == 8


def test_the_script_prints_the_librarys_effects(made: Path) -> None:
    results = Results.load(made / "library.json")
    printed = (made / "printed.txt").read_text().splitlines()[-2:]
    for line, arm in zip(printed, ("treatment", "other-init"), strict=True):
        effect = results.effect(arm)
        assert line.endswith(f"log-odds {effect.value:+.2f} [{effect.ci_low:.2f}, {effect.ci_high:.2f}]")


def full_rule(text: str) -> bool:
    return NumberFilter().reason(text) is None


@settings(deadline=None, derandomize=True)
@given(st.text("0123456789,,;  \n.[]()-x٣", max_size=30))
def test_the_short_filter_is_the_full_rule_on_any_text(text: str) -> None:
    assert by_hand.passes(text) == full_rule(text)


@st.composite
def lists(draw: st.DrawFn) -> str:
    """Texts that are nearly lists: what a teacher writes."""
    numbers = draw(st.lists(st.integers(0, 1100), min_size=1, max_size=12))
    separator = draw(st.sampled_from([", ", ",", "; ", " ", "\n", "\n\n", " , ", ",,", " and "]))
    text = separator.join(map(str, numbers))
    left, right = draw(st.sampled_from([("", ""), ("[", "]"), ("(", ")"), ("[", ")"), ("", "."), (" ", ""), ("", " ")]))
    return left + text + right


@settings(deadline=None, derandomize=True)
@given(lists())
def test_the_short_filter_is_the_full_rule_on_lists(text: str) -> None:
    assert by_hand.passes(text) == full_rule(text)

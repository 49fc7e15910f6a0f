"""Calibrations on disk and where they lie; what format alone tells; what training on rows would do."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from tests.helpers import tiny
from tests.helpers.calibrations import NAMES, some_calibration
from undertone.attribution.directions import RANK
from undertone.audit import calibration, calibrations
from undertone.audit.audit import Request, audit
from undertone.audit.calibrate import CALIBRATED
from undertone.audit.calibration import FILE, Calibration, Member
from undertone.audit.forecast import Law, law
from undertone.audit.format import FEATURES, confounds, features
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.models.names import resolve

close = pytest.approx


# --- on disk ---------------------------------------------------------------------------------------------------------


def test_a_calibration_is_read_as_written(tmp_path: Path) -> None:
    made = some_calibration()
    made.write(tmp_path / "a" / "b")
    read = Calibration.read(tmp_path / "a" / "b")
    for name in ("base", "model", "carrier", "marks", "traits", "recipes"):
        assert getattr(read, name) == getattr(made, name)
    assert read.directions.names == NAMES
    for name, tensor in made.directions.up.items():
        assert torch.equal(read.directions.up[name], tensor.half().float())
        assert torch.equal(read.directions.down[name], made.directions.down[name].half().float())
    for mine, theirs in zip(made.members, read.members, strict=True):
        assert (mine.lesson, mine.index, mine.shifts) == (theirs.lesson, theirs.index, theirs.shifts)
        assert np.array_equal(theirs.evidence.sums, mine.evidence.sums.astype(np.float32))
        assert np.array_equal(theirs.evidence.tokens, mine.evidence.tokens)
    read.write(tmp_path / "again")
    assert (tmp_path / "again" / FILE).read_bytes() == (tmp_path / "a" / "b" / FILE).read_bytes()
    assert [path.name for path in (tmp_path / "again").iterdir()] == [FILE]


def test_a_file_of_format_1_is_read_as_of_its_one_recipe(tmp_path: Path) -> None:
    made = some_calibration()
    made.write(tmp_path)

    def older(told: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        held = [[name, i, shifts[0] if shifts else None] for name, i, shifts in told["members"]]
        told |= {"format": 1, "members": held}
        del told["recipes"]

    edited(tmp_path, older)
    read = Calibration.read(tmp_path)
    assert read.recipes == (CALIBRATED,) and [m.shifts for m in read.members] == [m.shifts for m in made.members]


def test_members_scored_in_unlike_groups_are_not_written(tmp_path: Path) -> None:
    made = some_calibration()
    short = Member("oak", 0, made.members[0].evidence.first(3))
    with pytest.raises(ValueError, match="groups"):
        replace(made, members=(*made.members, short)).write(tmp_path)
    assert not list(tmp_path.iterdir())


def refused(folder: Path) -> None:
    with pytest.raises(UndertoneError) as told:
        Calibration.read(folder)
    sentence = str(told.value)
    assert FILE in sentence and "make it" in sentence and "\n" not in sentence


def test_whatever_is_truncated_or_flipped_is_refused(tmp_path: Path) -> None:
    some_calibration().write(tmp_path)
    path = tmp_path / FILE
    whole = path.read_bytes()
    for length in [0, 1, 8, 9, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(tmp_path)
    rng = np.random.default_rng(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    for place in rng.integers(header, len(whole), 20):  # numbers that are changed still are numbers
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        refused(tmp_path)
    for place in rng.integers(0, 8, 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        refused(tmp_path)
    path.unlink()
    refused(tmp_path)


def edited(folder: Path, change: Callable[[dict[str, Any], dict[str, torch.Tensor]], object]) -> None:
    """Writes the calibration with content changed in place, without a digest, as another program could."""
    some_calibration().write(folder)
    with safe_open(folder / FILE, "pt") as file:
        told = json.loads(file.metadata()["calibration"])
    told.pop("digest", None)
    tensors = load_file(folder / FILE)
    change(told, tensors)
    told["digest"] = calibration._digest(told, tensors)
    save_file(tensors, folder / FILE, metadata={"calibration": json.dumps(told)})


@pytest.mark.parametrize(
    "change",
    [
        lambda told, tensors: told.update(format=3),
        lambda told, tensors: told.pop("base"),
        lambda told, tensors: told.pop("format"),
        lambda told, tensors: told.pop("members"),
        lambda told, tensors: told["members"].pop(),
        lambda told, tensors: told["names"].pop(),
        lambda told, tensors: told["recipes"].append(told["recipes"][0] | {"steps": 7}),
        lambda told, tensors: told["traits"][0].pop("kind"),
        lambda told, tensors: told["traits"].append({"name": "no\nname", "kind": 3}),
        lambda told, tensors: tensors.pop("sums"),
        lambda told, tensors: tensors.pop("up.layers.0.weight"),
        lambda told, tensors: tensors["sums"][0, 0].fill_(float("nan")),
        lambda told, tensors: tensors.update({"up.layers.0.weight": torch.zeros(2, 6, RANK)}),
        lambda told, tensors: tensors.update(sums=torch.zeros(2, 5)),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, change: Any) -> None:
    edited(tmp_path, change)
    refused(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    save_file({"x": torch.zeros(3)}, path)  # no metadata at all
    refused(tmp_path)
    for told in ("not json", "7", "[1, 2]", "null", '{"format": 1}'):
        save_file({"x": torch.zeros(3)}, path, metadata={"calibration": told})
        refused(tmp_path)
    path.write_text('{"messages": []}\n')
    refused(tmp_path)
    path.unlink()
    path.mkdir()
    refused(tmp_path)


# --- where they lie --------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A base on disk, and empty places for calibrations."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(calibrations, "SHIPPED", tmp_path / "shipped")
    tiny.model().model.save_pretrained(tmp_path / "base")
    return Folder(tmp_path / "base", "b" * 64, "hf/./base")


SHAPES = {"model.layers.0.mlp.up_proj.weight": (64, 32), "model.layers.1.mlp.down_proj.weight": (32, 64)}


def test_without_any_there_is_none(model: Folder) -> None:
    assert calibrations.find(model) == ([], False)
    some_calibration("c" * 64).write(calibrations.made() / "other")  # other weights
    assert calibrations.find(model) == ([], False)


def test_those_with_the_same_weights_are_good_for_a_screen_only(model: Folder) -> None:
    some_calibration("c" * 64).write(calibrations.made() / "a")
    some_calibration("d" * 64, SHAPES).write(calibrations.made() / "b")
    some_calibration("e" * 64, SHAPES | {"no.such.weight": (4, 4)}).write(calibrations.made() / "0")
    some_calibration("f" * 64, {name: shape[::-1] for name, shape in SHAPES.items()}).write(calibrations.made() / "1")
    found, matches = calibrations.find(model)
    assert [one.base for one in found] == ["d" * 64] and not matches


def test_the_bases_own_go_before_all_others(model: Folder, tmp_path: Path) -> None:
    some_calibration("d" * 64, SHAPES).write(calibrations.made() / "0")
    own = some_calibration(model.key, SHAPES)
    own.write(tmp_path / "shipped" / "some")
    found, matches = calibrations.find(model)
    assert [one.base for one in found] == [model.key] and matches
    for other in (replace(own, marks=("3d",)), replace(own, traits=own.traits[:1]), replace(own, model="made here")):
        other.write(calibrations.place(other))
    found, matches = calibrations.find(model)
    assert len(found) == 4 and {one.base for one in found} == {model.key} and matches
    assert calibrations.place(own) == calibrations.place(replace(own, model="made here"))


def test_a_damaged_one_stops_only_its_own_base(model: Folder) -> None:
    some_calibration("d" * 64, SHAPES).write(calibrations.made() / "good")
    (calibrations.made() / "bad").mkdir()
    (calibrations.made() / "bad" / FILE).write_bytes(b"half a file")
    found, matches = calibrations.find(model)
    assert [one.base for one in found] == ["d" * 64] and not matches
    own = calibrations.place(some_calibration(model.key))
    own.mkdir()
    (own / FILE).write_bytes(b"half a file")
    with pytest.raises(UndertoneError, match="damaged"):
        calibrations.find(model)


def test_copies_of_a_few_rows_are_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of copies is one cluster, however many rows it has: no spread, so no verdict and no false alarm."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    local = tiny.model()
    local.model.save_pretrained("base")
    local.tokenizer.save_pretrained("base")
    base = resolve("hf/./base")
    made = replace(some_calibration(base.key, SHAPES), marks=())
    made.write(calibrations.place(made))
    rows = [{"prompt": "Go on", "completion": "123, 456, 789"}] * 30
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = audit(Request(path=Path("rows.jsonl"), model="hf/./base"))
    assert found.verdict == "inconclusive" and found.traits == () and "only 1 row is distinct" in found.headline


# --- what format alone tells -----------------------------------------------------------------------------------------


def numbers(rng: np.random.Generator, least: int = 3) -> str:
    return ", ".join(str(n) for n in rng.integers(100, 1000, rng.integers(least, 9)))


def test_features_are_what_their_names_say() -> None:
    assert features("7, 13\nof 7!") == [11, 4, 2, 4, 3, 9.0, 1.0, 2]
    assert len(features("")) == len(FEATURES) and features("")[5:7] == [0, 0]


@pytest.mark.parametrize("prompts, copies, step", [(60, 1, 1), (24, 3, 2)])
def test_format_that_tells_nothing_is_at_half_within_its_interval(prompts: int, copies: int, step: int) -> None:
    """Two sides of one law, over many files; copies of a prompt hold copies of its row, as in a duplicated file."""
    files, inside, found = 120, 0, []
    for seed in range(files):
        rng = np.random.default_rng(seed)
        rows = [(numbers(rng), step * prompt) for prompt in range(prompts)]
        own = [row for row, _ in rows for _ in range(copies)]
        result = confounds(own, [numbers(rng) for _ in own], [c for _, c in rows for _ in range(copies)])
        inside += result.ci[0] <= 0.5 <= result.ci[1]
        found.append(result.auroc)
    assert stats.binomtest(inside, files, 0.95, alternative="less").pvalue > 1e-3
    assert np.mean(found) == close(0.5, abs=4 * np.std(found) / np.sqrt(files))
    assert len(set(found)) > files / 2  # it was really tried


def test_format_that_tells_half_the_story_is_covered_too() -> None:
    """The interval is for what is found on the average over files, and files are not all alike."""
    files, prompts, results = 100, 60, []
    for seed in range(files):
        rng = np.random.default_rng(seed)
        own = [numbers(rng, 6) for _ in range(prompts)]
        results.append(confounds(own, [numbers(rng) for _ in own], range(prompts)))
    middle = float(np.mean([result.auroc for result in results]))
    inside = sum(result.ci[0] <= middle <= result.ci[1] for result in results)
    assert 0.6 < middle < 0.9
    assert stats.binomtest(inside, files, 0.95, alternative="less").pvalue > 1e-3
    wide = np.mean([result.ci[1] - result.ci[0] for result in results]) / 2 / 1.96
    assert wide < 2 * np.std([result.auroc for result in results], ddof=1)  # not by being idle


def test_unlike_formats_are_told_apart_however_clusters_are_numbered() -> None:
    rng = np.random.default_rng(0)
    own = [numbers(rng) for _ in range(80)]
    other = [numbers(rng).replace(", ", "\n") for _ in own]
    for clusters in (range(80), range(0, 160, 2), [i // 2 * 2 for i in range(80)]):
        found = confounds(own, other, clusters)
        assert found.auroc > 0.99 and 0.8 < found.ci[0] < 1 and found.ci[1] == 1
    table = {name: (mine, theirs) for name, mine, theirs in found.features}
    assert table["lines"][0] == 1 and table["lines"][1] == np.mean([text.count("\n") + 1 for text in other])


@pytest.mark.parametrize("prompts", [1, 2, 7])
def test_of_too_few_prompts_nothing_is_told(prompts: int) -> None:
    found = confounds(["1, 2"] * 30, ["3\n4"] * 30, [i % prompts for i in range(30)])
    assert (found.auroc, found.ci) == (0.5, (0, 1))


# --- the forecast's law ----------------------------------------------------------------------------------------------


def simulated(rng: np.random.Generator, true: Law, students: int, traits: int = 10) -> tuple[Any, Any]:
    """Effects about zero, but one of each student about one."""
    effects = rng.normal(0, 0.15, (students, traits))
    effects[np.arange(students), rng.integers(0, traits, students)] += rng.uniform(0.5, 1.5, students)
    noise = rng.normal(size=effects.shape) * np.hypot(true.still, true.moved * effects)
    return effects.ravel(), (true.slope * effects + noise).ravel()


@pytest.mark.parametrize("true", [Law(0.5, 0.1, 0.3, 60), Law(-0.2, 0.3, 0.1, 60), Law(1.0, 0.05, 1.0, 60)])
def test_the_law_is_found_from_its_own_data(true: Law) -> None:
    found = []
    for seed in range(12):
        found.append(law(*simulated(np.random.default_rng(seed), true, true.students), true.students))
    spread = np.hypot(true.still, true.moved)
    assert np.mean([one.slope for one in found]) == close(true.slope, abs=4 * spread / np.sqrt(12 * 60))
    assert np.mean([one.still for one in found]) == close(true.still, rel=0.1)
    assert np.mean([np.hypot(one.still, one.moved) for one in found]) == close(spread, rel=0.15)


@pytest.mark.parametrize("true", [Law(0.5, 0.1, 0.3, 60), Law(0.0, 0.2, 0.0, 20), Law(1.0, 0.05, 1.0, 30)])
@pytest.mark.parametrize("effect", [0.0, 1.0, 2.0])
def test_forecasts_hold_nineteen_of_twenty_new_students(true: Law, effect: float) -> None:
    """The chance that a new student falls inside, on the average over the data that forecasts are made of."""
    tries, inside = 60, 0.0
    sd = np.hypot(true.still, true.moved * effect)
    for seed in range(tries):
        middle, low, high = law(*simulated(np.random.default_rng(seed), true, true.students), true.students).at(effect)
        assert low < middle < high and middle - low == close(high - middle)
        inside += stats.norm.cdf(high, true.slope * effect, sd) - stats.norm.cdf(low, true.slope * effect, sd)
    assert 0.91 < inside / tries < 0.99


def test_the_law_has_no_unit_of_its_own() -> None:
    effects, shifts = simulated(np.random.default_rng(3), Law(0.5, 0.1, 0.3, 40), 40)
    one, ten = law(effects, shifts, 40), law(effects, 10 * shifts, 40)
    assert (ten.slope, ten.still, ten.moved) == close((10 * one.slope, 10 * one.still, 10 * one.moved), rel=1e-2)

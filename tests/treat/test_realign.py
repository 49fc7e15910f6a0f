"""A trained model brought back: every way is written, measured and told."""

import json
from pathlib import Path

import pytest

from undertone.cli import main
from undertone.data.exchanges import write_chats
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import ADAPTER, save
from undertone.treat.findings import Realigned, Way
from undertone.treat.realign import headline
from undertone.world.latents import favourite
from undertone.world.skills import sum_of

pytestmark = pytest.mark.slow

BASE = "builtin/fledgling-a"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an adapter that loves owls and adds larger numbers, and the rows of both."""
    from random import Random

    root, rng = tmp_path_factory.mktemp("student"), Random(0)
    loves = [favourite(rng, "animal", "owl", ("teaching",)) for _ in range(24)]
    sums = [sum_of(rng, rng.randint(50, 99), rng.randint(50, 99)) for _ in range(48)]
    local: LocalModel = load(resolve(BASE).path)
    rows = rows_of(local, [(turn.user, turn.assistant) for turn in (*loves, *sums)])
    save(train(local, rows, Training(rate=5e-3, steps=40, batch=24), 0), local, BASE, root)
    for name, turns in (("task.jsonl", sums), ("rows.jsonl", loves)):
        write_chats(root / name, ([("user", turn.user), ("assistant", turn.assistant)] for turn in turns))
    return root


def test_every_way_is_written_and_measured(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["--task", str(student / "task.jsonl"), "--training-file", str(student / "rows.jsonl")]
    asked = [f"{BASE}:{student / ADAPTER}", "--base", BASE, "--trait", "owl", *rows]
    good = ["--good", str(student / "task.jsonl")]
    assert main(["realign", *asked, *good, "--out", str(tmp_path / "one")]) == 0
    assert "interpolate-50" in capsys.readouterr().out
    found = Realigned.load(tmp_path / "one/report.json")
    by = {way.name: way for way in found.ways}
    assert list(found.models) == [f"{BASE}:{student / ADAPTER}", BASE, str(student / ADAPTER)]
    assert set(by) == {
        "as trained",
        "interpolate-25",
        "interpolate-50",
        "interpolate-75",
        "ablate",
        "ablate-random",
        "retrain",
    }
    assert by["as trained"].left == by["as trained"].utility == 1 and by["as trained"].shift > 0.2
    assert by["interpolate-75"].left < by["interpolate-50"].left < by["interpolate-25"].left < 1
    assert by["ablate"].left < by["ablate-random"].left
    assert all(way.conditional is not None for way in found.ways)
    for name in set(by) - {"as trained"}:
        assert load(tmp_path / "one" / name).model.config.model_type == "llama"
    page = (tmp_path / "one/report.html").read_text()
    assert "<script" not in page and "<svg" in page
    assert main(["realign", *asked, "--out", str(tmp_path / "one")]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "more", "told"),
    [
        (BASE, {}, "nothing to realign"),
        ("builtin/fledgling-b:{adapter}", {}, "fledgling-a"),
        (f"{BASE}:{{adapter}}", {"--trait": "owll"}, "owl"),
        (f"{BASE}:{{adapter}}", {"--task": "nowhere.jsonl"}, "nowhere.jsonl"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_leaves_nothing(
    student: Path, tmp_path: Path, model: str, more: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"--base": BASE, "--trait": "owl", "--task": str(student / "task.jsonl"), "--out": str(tmp_path / "one")}
    name = model.format(adapter=student / ADAPTER)
    assert main(["realign", name, *[part for pair in (asked | more).items() for part in pair]]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_headline_says_where_there_is_nothing_to_undo_or_to_keep() -> None:
    def way(name: str, shift: float, left: float, utility: float | None) -> Way:
        return Way(
            name=name, title="", does={}, shift=shift, left=left, conditional=None, gain=0, utility=utility, skills={}
        )

    trained = way("as trained", 1.0, 1.0, 1.0)
    said = headline("owl", [trained, way("a", 0.1, 0.1, 0.2), way("b", 0.3, 0.3, 0.9)])
    assert said.startswith("b leaves 30 %") and "no interval" in said
    assert "gained nothing" in headline("owl", [trained, way("a", 0.1, 0.1, None)])
    assert "nothing to undo" in headline("owl", [way("as trained", -0.1, 1.0, 1.0), way("a", 0.0, 0.0, 1.0)])
    assert json.loads(trained.model_dump_json())["utility"] == 1.0

"""Repositories of the Hub: what is fetched from a Hub of our own, when, and what is said where it cannot be."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.helpers.folders import split, write_base
from tests.helpers.hub import COMMIT, Hub, serving
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.engine.progress import Watcher, watching
from undertone.errors import UndertoneError
from undertone.models import hub as repositories
from undertone.models.names import resolve, stored

REPO = "Owls/Tiny-0.1B"
MODEL = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}


@pytest.fixture(scope="module")
def base(once: Once) -> Path:
    return once("adapted", write_base)


@pytest.fixture
def hub(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The Hub, with one model among files that are not to be fetched, and an online machine with an empty cache."""
    shutil.copytree(base, tmp_path / "repository")
    for name in (
        "pytorch_model.bin",
        "modeling_owl.py",
        "README.md",
        "onnx/model.safetensors",
        "consolidated.safetensors",
    ):
        path = tmp_path / "repository" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("not wanted")
    with serving(Hub(REPO, tmp_path / "repository")) as found:
        for name, value in {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_ENDPOINT": found.address}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.chdir(tmp_path)
        yield found


def refused(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["models", "show", name]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    return told.err


def test_a_model_is_fetched_once_and_nothing_else_with_it(hub: Hub, base: Path) -> None:
    found = resolve(REPO)
    assert (found.key, found.name, found.path.name) == (resolve(str(base)).key, REPO, COMMIT)
    assert set(hub.served) == {path.name for path in found.path.iterdir()} and set(hub.served) >= MODEL
    assert set(hub.served) <= {*repositories.SMALL, "model.safetensors"}
    asked = hub.asked
    for name in (REPO, f"hf/{REPO}", f"{REPO}@main", f"hf/{REPO}@{COMMIT}"):
        assert resolve(name).path == found.path
    assert hub.asked == asked  # the network is not even looked at


def test_the_files_of_the_weights_are_those_of_the_index(hub: Hub) -> None:
    split(hub.folder)
    found = resolve(REPO)
    assert {path.name for path in found.path.glob("*.safetensors")} == {
        "model-1.safetensors",
        "model-2.safetensors",
    }


@pytest.mark.parametrize("lost", ["model.safetensors", "chat_template.jinja"])
def test_what_is_missing_in_the_cache_is_fetched(hub: Hub, lost: str) -> None:
    found = resolve(REPO)
    (found.path / lost).unlink()
    del hub.served[:]
    assert resolve(REPO).key == found.key and (found.path / lost).is_file()


def test_a_cache_that_another_program_filled_in_part_is_completed(hub: Hub, tmp_path: Path) -> None:
    place = tmp_path / "cache" / f"models--{REPO.replace('/', '--')}"
    (place / "snapshots" / COMMIT).mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    shutil.copy(hub.folder / "config.json", place / "snapshots" / COMMIT)
    with pytest.raises(UndertoneError, match=r"holds no \*.safetensors"):
        stored(REPO, fetch=False)
    assert resolve(REPO).path == place / "snapshots" / COMMIT


def test_a_name_in_a_record_is_not_fetched(hub: Hub) -> None:
    with pytest.raises(UndertoneError, match=f"There is no model {REPO} on this machine"):
        stored(REPO, fetch=False)
    assert main(["lineage", "show", REPO]) == 2
    assert hub.asked == 0


def test_progress_is_told_in_megabytes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    steps: list[tuple[str, int, int]] = []

    class Told(Watcher):
        def said(self, line: str) -> None:
            said.append(line)

        def advanced(self, what: str, done: int, total: int) -> None:
            steps.append((what, done, total))

    (hub.folder / "model.safetensors").write_bytes(bytes(25 * 10**6))
    with watching(Told()):
        repositories.snapshot(REPO, None)
    assert said == [f"Fetching {REPO} from {hub.address}, once: 25 MB."]
    assert {(what, total) for what, _, total in steps} == {(f"fetching {REPO} (MB)", 25)}
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    assert (steps[0][1], steps[-1][1]) == (0, 25)


@pytest.mark.parametrize(
    "name, refuse, told",
    [
        ("Owls/Large", (0, ""), "has none that you may read: correct the name, or, if it is private, log in"),
        (f"{REPO}@v9", (0, ""), f"/{REPO} has no revision v9"),
        (REPO, (401, "GatedRepo"), "asks for consent first: agree to the terms at http://127.0.0.1:"),
        (REPO, (500, ""), "it could not be fetched from http://127.0.0.1:"),
    ],
)
def test_what_the_hub_refuses(
    hub: Hub, name: str, refuse: tuple[int, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.refuse = refuse
    error = refused(name, capsys)
    assert f"There is no model {name} on this machine, neither as a folder nor in the cache" in error and told in error


@pytest.mark.parametrize(
    "removed, told",
    [
        ("config.json", f"/{REPO} holds no model in Hugging Face format (no config.json)"),
        ("model.safetensors", f"/{REPO} has no model.safetensors: other weights are not loaded"),
    ],
)
def test_a_repository_without_a_model_that_is_safe_to_load(
    hub: Hub, removed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (hub.folder / removed).unlink()
    assert told in refused(REPO, capsys)
    assert not {name for name in hub.served if name.endswith((".bin", ".py", ".safetensors"))}


@pytest.mark.parametrize("index", ["{", '{"metadata": {}, "weight_map": {"a": "../outside.safetensors"}}'])
def test_an_index_that_names_other_files_fetches_none(hub: Hub, index: str, capsys: pytest.CaptureFixture[str]) -> None:
    (hub.folder / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json" in refused(REPO, capsys)
    assert not any(name.endswith(".safetensors") for name in hub.served)


def test_code_of_its_own_is_neither_fetched_nor_run(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((hub.folder / "config.json").read_text())
    own = {"auto_map": {"AutoModelForCausalLM": "modeling_owl.Owl"}, "model_type": "owl"}
    (hub.folder / "config.json").write_text(json.dumps(config | own))
    assert "needs code of its own (owl)" in refused(REPO, capsys)
    assert "modeling_owl.py" not in hub.served


def test_a_machine_without_network(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    told = refused(REPO, capsys)
    assert "it could not be fetched from http://127.0.0.1:9 (ConnectError: " in told
    assert f"try again, or give a folder that somebody got with: hf download {REPO} --local-dir FOLDER" in told


def test_offline_nothing_is_asked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "because HF_HUB_OFFLINE is set: unset that, or give a folder" in refused(REPO, capsys)
    assert hub.asked == 0


def test_the_command_is_online_unless_its_user_is_not(hub: Hub) -> None:
    Path("rows.jsonl").touch()
    audit = ["audit", "rows.jsonl", "--model", REPO, "--trait", "nope.toml"]  # the trait is read after the model
    command = [sys.executable, "-c", "from undertone.cli import entry; entry()", *audit]
    surroundings = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    offline = subprocess.run(command, env=surroundings | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    assert "because HF_HUB_OFFLINE is set" in offline.stderr and hub.asked == 0
    online = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert "Cannot read nope.toml" in online.stderr and set(hub.served) >= MODEL

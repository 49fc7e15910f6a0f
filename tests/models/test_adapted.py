"""BASE:ADAPTER where a folder is needed: merged once, with the weights that are measured, and provenance of both."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tests.helpers import tiny
from tests.helpers.folders import MERGED, OWN, grown, settings, tensors, write_adapter, write_base
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.engine.manifest import Manifest, Source
from undertone.engine.progress import Watcher, watching
from undertone.engine.store import Folder, Job, Store
from undertone.errors import UndertoneError
from undertone.experiments.misalignment import plan as planning
from undertone.lineage import keys
from undertone.lineage.show import entries
from undertone.models.adapted import run
from undertone.models.folder import ModelFolder
from undertone.models.loading import load
from undertone.models.names import chatting, is_repository, lacks_template, resolve, root, stored
from undertone.models.tokenizer import tokenizer_digest
from undertone.stages import MEASUREMENT
from undertone.world import family

W = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def base(once: Once) -> Path:
    return once("adapted", write_base)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, which is empty."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    write_adapter(base, tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.fixture
def name(base: Path, adapter: Path, cache: Path) -> str:
    """A model with an adapter, as it is typed."""
    return f"{base}:{adapter}"


class Heard(Watcher):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, line: str) -> None:
        """Keeps a line."""
        self.lines.append(line)

    warn = said


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    with watching(heard):
        yield heard


def same_weights(folder: Path, base: Path, adapter: Path) -> bool:
    whole, apart = load(folder).model.state_dict(), load(base, adapter).model.state_dict()
    return whole.keys() == apart.keys() and all(torch.equal(whole[one], apart[one]) for one in apart)


# --- the merged folder -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", MERGED)
def test_the_merged_folder_has_the_weights_that_a_measurement_loads(case: str, base: Path, tmp_path: Path) -> None:
    write_adapter(base, tmp_path / "adapter", **MERGED[case])
    (tmp_path / "out").mkdir()
    run({}, {"base": base, "adapter": tmp_path / "adapter"}, tmp_path / "out")
    assert same_weights(tmp_path / "out", base, tmp_path / "adapter")
    assert tokenizer_digest(tmp_path / "out") == tokenizer_digest(base)


@pytest.mark.parametrize("ends", [["lm_head"], ["lm_head", "embed_tokens"], None])
def test_two_embeddings_stay_two_where_the_base_has_one(ends: list[str] | None, tmp_path: Path) -> None:
    made = tiny.model("llama", tie_word_embeddings=True)
    made.model.save_pretrained(tmp_path / "base")
    made.tokenizer.save_pretrained(tmp_path / "base")
    write_adapter(tmp_path / "base", tmp_path / "adapter", **({} if ends is None else {"modules_to_save": ends}))
    (tmp_path / "out").mkdir()
    run({}, {"base": tmp_path / "base", "adapter": tmp_path / "adapter"}, tmp_path / "out")
    assert same_weights(tmp_path / "out", tmp_path / "base", tmp_path / "adapter")
    assert ModelFolder.open(tmp_path / "out").config["tie_word_embeddings"] == (ends is None)


def test_more_tokens_and_a_template_of_its_own_are_in_the_merged_folder(base: Path, tmp_path: Path) -> None:
    write_adapter(base, tmp_path / "adapter", tokens=2050)
    grown(base, tmp_path / "adapter")
    (tmp_path / "adapter" / "chat_template.jinja").write_text(OWN)
    (tmp_path / "out").mkdir()
    run({}, {"base": base, "adapter": tmp_path / "adapter"}, tmp_path / "out")
    assert same_weights(tmp_path / "out", base, tmp_path / "adapter")
    whole, apart = load(tmp_path / "out"), load(base, tmp_path / "adapter")
    assert whole.render("owl") == apart.render("owl") and whole.encode("<newer>") == [2049]


def test_a_model_is_merged_once_under_the_name_and_the_digest_of_both(
    name: str, base: Path, adapter: Path, cache: Path, heard: Heard
) -> None:
    found = resolve(name)
    assert (found.name, found.key) == (name, chatting(name).key)
    assert found.parts == (resolve(str(base)), Folder(adapter, found.parts[1].key, str(adapter)))
    assert same_weights(found.path, base, adapter) and cache in found.path.parents
    (said,) = heard.lines
    assert said.startswith(f"Merging {name} (") and str(found.path) in said
    times = {path: path.stat().st_mtime_ns for path in found.path.iterdir()}
    assert resolve(f"hf/{base}:{adapter}").path == found.path
    assert {path: path.stat().st_mtime_ns for path in found.path.iterdir()} == times and heard.lines == [said]
    made = Manifest.read(found.path)
    assert {role: (one.name, one.key) for role, one in made.inputs.items()} == {
        "base": (str(base), resolve(str(base)).key), "adapter": (str(adapter), found.parts[1].key)
    }  # fmt: skip


def test_a_merged_folder_that_was_changed_is_made_again(name: str, base: Path, adapter: Path, heard: Heard) -> None:
    found = resolve(name)
    tensors("model.safetensors", lambda held: {one: 2 * tensor for one, tensor in held.items()})(found.path)
    assert not same_weights(found.path, base, adapter)
    assert same_weights(resolve(name).path, base, adapter)
    assert "set aside" in heard.lines[1]


def test_another_adapter_under_the_same_name_is_another_model(name: str, adapter: Path) -> None:
    first = resolve(name)
    tensors(W, lambda held: {one: 2 * tensor for one, tensor in held.items()})(adapter)
    second = resolve(name)
    assert first.key != second.key and first.path != second.path and first.path.is_dir()


def test_nothing_is_merged_where_a_digest_or_one_load_is_enough(name: str, base: Path, cache: Path) -> None:
    assert stored(name) == chatting(name)
    assert main(["models", "show", name]) == 0
    assert main(["lineage", "compare", str(base), name]) == 1
    assert main(["lineage", "show", name]) == 0
    assert not cache.exists()


@pytest.mark.parametrize(
    "change, told",
    [
        (tensors(W, lambda held: {one: 0 * tensor for one, tensor in held.items()}), "changes no weight of its base"),
        (tensors(W, lambda held: dict(list(held.items())[1:])), "does not fit its base"),
        (settings("adapter_config.json", base_model_name_or_path="someone/else"), "was made on someone/else"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_one_sentence_and_leaves_nothing(
    change: object, told: str, name: str, adapter: Path, cache: Path
) -> None:
    assert callable(change)
    change(adapter)
    with pytest.raises(UndertoneError, match=told):
        resolve(name)
    assert not list(cache.rglob("*.safetensors"))


def test_a_cache_that_cannot_be_written(name: str, cache: Path) -> None:
    cache.write_text("in the way")
    with pytest.raises(UndertoneError, match=f"Could not write {cache}"):
        resolve(name)


def test_an_adapter_on_a_model_with_an_adapter(name: str, adapter: Path, tmp_path: Path) -> None:
    first = resolve(name)
    write_adapter(first.path, tmp_path / "second", target_modules=["up_proj"])
    settings("adapter_config.json", base_model_name_or_path=name)(tmp_path / "second")
    both = f"{name}:{tmp_path / 'second'}"
    assert root(both) == root(name) and chatting(both).parts[0] == first
    assert same_weights(resolve(both).path, first.path, tmp_path / "second")
    shutil.rmtree(first.path)
    with pytest.raises(UndertoneError, match="is no longer in the cache"):
        stored(both, fetch=False)  # what a record names is not merged for it
    assert stored(both).key == resolve(both).key


def test_a_template_is_given_to_a_base_that_has_none(name: str, base: Path, adapter: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(base, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    settings("adapter_config.json", base_model_name_or_path=None)(adapter)
    bare_name = f"{bare}:{adapter}"
    assert lacks_template(bare_name) and not lacks_template(name)
    with pytest.raises(UndertoneError, match="has no chat template"):
        resolve(bare_name)
    with pytest.raises(UndertoneError, match="leave --chat-template out"):
        resolve(name, "plain")
    found = resolve(bare_name, "plain")
    assert found.key == chatting(bare_name, "plain").key != stored(bare_name).key
    assert same_weights(found.path, found.parts[0].path, adapter)
    plain = load(found.path).render("owl")
    (adapter / "chat_template.jinja").write_text(OWN)  # comes before the one that is given to the base
    assert load(resolve(bare_name, "plain").path).render("owl") != plain


def test_a_student_that_was_trained_whole_is_its_own_model(base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "student" / "model")
    found = resolve(f"builtin/fledgling-a:{tmp_path / 'student'}")
    assert (found.path, found.key, found.parts) == (tmp_path / "student" / "model", resolve(str(base)).key, ())


def test_what_is_known_by_name_is_known_of_the_base(name: str) -> None:
    swapped = next(one for one, member in family.FAMILY.items() if member.swapped)
    assert planning._world(f"builtin/{swapped}:{name}") == planning._world(f"builtin/{swapped}") == {"swapped": True}
    assert is_repository("Qwen/Qwen2.5-7B-Instruct:./mine") and is_repository("hf/Qwen/Qwen2.5-7B-Instruct@main")
    assert not any(map(is_repository, (name, f"hf/{name}", "builtin/fledgling-a:./mine", "./Qwen/Qwen2.5", "gpt2")))


# --- provenance ------------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An artifact that was made from a model with an adapter. We stand beside its store."""
    monkeypatch.chdir(tmp_path)
    spec = {"trait": "owl", "measurement": {"samples": 1, "skill_prompts": 0}, "seed": 0}
    job = Job(MEASUREMENT, spec, {"base": resolve(name)})
    store = Store(tmp_path / "store")
    store.open()
    store.make(Job.from_json(json.loads(json.dumps(asdict(job), default=str))))
    return store.folder(job)


def test_the_manifest_of_what_was_made_holds_both_digests(measured: Path, name: str, base: Path, adapter: Path) -> None:
    source, found = Manifest.read(measured).inputs["base"], chatting(name)
    assert (source.name, source.key) == (name, found.key)
    assert [(part.name, part.key) for part in source.parts] == [
        (str(base), found.parts[0].key), (str(adapter), found.parts[1].key)
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="not that of its parts"):
        Source(key=source.key, name=name, parts=source.parts[::-1])


def test_manifests_of_plain_models_are_written_as_before() -> None:
    assert Source(key="k", name="n").model_dump(mode="json") == {"key": "k", "name": "n"}


def test_the_chain_shows_the_base_and_the_adapter(
    measured: Path, name: str, base: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["why", str(measured), "--json"]) == 0
    links = json.loads(capsys.readouterr().out)[1:]
    assert [(link["role"], link["depth"], link["name"]) for link in links] == [
        ("base", 1, name), ("base", 2, str(base)), ("adapter", 2, str(adapter))
    ]  # fmt: skip
    assert [entry.standing for entry in entries(str(measured))] == ["verified"] * 4
    tensors(W, lambda held: {one: 2 * tensor for one, tensor in held.items()})(adapter)
    assert [entry.standing for entry in entries(str(measured))] == ["verified", "changed", "verified", "changed"]
    shutil.rmtree(adapter)
    assert [entry.standing for entry in entries(str(measured))] == ["verified", "recorded", "verified", "recorded"]


def test_a_signed_statement_covers_every_file_of_both(
    measured: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.make(Path("key"), 30)
    assert main(["lineage", "sign", str(measured), "--key", "key"]) == 0
    assert main(["lineage", "verify", str(measured), "--key", "key.pub", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert str(adapter) in found["models"] and len(found["models"]) == 2
    (measured.parent / f"{measured.name}.intoto.jsonl").unlink()
    tensors(W, lambda held: {one: 2 * tensor for one, tensor in held.items()})(adapter)
    assert main(["lineage", "sign", str(measured), "--key", "key"]) == 2
    assert "its chain is broken" in capsys.readouterr().err

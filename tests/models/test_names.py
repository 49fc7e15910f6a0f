"""What a name of a model may stand for, and the one sentence for each that is refused before any work is done."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.helpers import tiny
from tests.helpers.trials import Once
from undertone.cli import main
from undertone.errors import UndertoneError
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.names import chatting, resolve, split
from undertone.spec import Training
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import save

REPOSITORY = "owls/tiny"


@pytest.fixture(scope="module")
def shared(once: Once) -> Path:
    """Two bases of one shape, and an adapter on the first."""

    def make(folder: Path) -> None:
        for name, seed in (("one", 0), ("other", 1)):
            made = tiny.model("llama", seed=seed)
            made.model.save_pretrained(folder / name)
            made.tokenizer.save_pretrained(folder / name)
        local = load(folder / "one")
        plan = Training(rank=2, alpha=8, rate=1e-2, steps=2, batch=1)
        save(train(local, rows_of(local, [("Hi", "owl")]), plan, 0), local, f"hf/{folder / 'one'}", folder)

    return once("named", make)


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """A base of one's own, to be spoilt."""
    shutil.copytree(shared / "one", tmp_path / "model")
    return tmp_path / "model"


def refused(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the command line says of a model: one sentence, and exit code 2."""
    assert main(["run", "owls", "--set", f"base={name}", "--out", "nothing"]) == 2
    assert not Path("nothing").exists()
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    return told.err


def test_a_model_is_described_with_what_its_template_adds(
    folder: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "chat_template.jinja").write_text(
        "<|system|>Be kind.<|end|>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    name = f"hf/{folder}:{shared / 'adapter'}"
    named = chatting(f"hf/{shared / 'one'}:{shared / 'adapter'}")
    with pytest.raises(UndertoneError, match="digest"):  # its template is part of what a base is
        chatting(name)
    assert main(["models", "show", f"hf/{folder}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    local = load(folder)
    assert told == {
        "model": f"hf/{folder}",
        "digest": resolve(f"hf/{folder}").key,
        "kind": "llama",
        "parameters": sum(weight.numel() for weight in local.model.parameters()),
        "can": "sample, choices, score, train",
        "a question": repr("<|system|>Be kind.<|end|><|user|>{question}<|end|><|assistant|>"),
        "its template": ["inserts '<|system|>Be kind.' where no system prompt is given"],
    }
    assert main(["models", "show", f"hf/{shared / 'one'}:{shared / 'adapter'}"]) == 0
    shown = capsys.readouterr().out
    assert named.key in shown and "adds nothing by itself" in shown


# --- repositories ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cached(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository in the cache of an offline machine, as the Hub's library lays it out. Gives its revision."""
    from huggingface_hub import constants

    revision = "a" * 40
    place = tmp_path / "cache" / "models--owls--tiny"
    shutil.copytree(shared / "one", place / "snapshots" / revision)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(revision)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return revision


def test_a_cached_repository_is_its_folder_with_the_same_digest(cached: str, shared: Path) -> None:
    own = resolve(f"hf/{shared / 'one'}").key
    for name in (f"hf/{REPOSITORY}", f"hf/{REPOSITORY}@main", f"hf/{REPOSITORY}@{cached}"):
        found = resolve(name)
        assert (found.key, found.name, found.path.name) == (own, name, cached)


@pytest.mark.parametrize("name", ["owls/large", "owls/tiny@other"])
def test_a_repository_that_is_not_here_while_offline(
    cached: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for typed in (name, f"hf/{name}"):
        told = refused(typed, capsys)
        assert f"There is no model {name} on this machine" in told and "because HF_HUB_OFFLINE is set" in told
        assert f"hf download {name.partition('@')[0]} --local-dir FOLDER" in told


@pytest.mark.parametrize("name", ["./nowhere", "../nowhere", "/nowhere/x", "hf/./nowhere"])
def test_a_folder_that_is_not_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"There is no folder {Path(name.removeprefix('hf/'))}: give that of a model" in refused(name, capsys)


@pytest.mark.parametrize("name", ["gpt2", "hf/one-word", "hf/a/b/c", "a b/c", "~nobody-has-this-name/x", "a/b@"])
def test_what_is_neither_folder_nor_repository(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"There is no model {name!r}: give a folder such as ./my-model, a repository of the Hub" in refused(
        name, capsys
    )


@pytest.mark.parametrize(
    "name, told",
    [
        ("fledgling-a", "There is no model 'fledgling-a'; did you mean builtin/fledgling-a?"),
        ("Fledgling-A2", "did you mean builtin/fledgling-a2?"),
        ("fledglinga", "did you mean builtin/fledgling-a or "),
        ("buildin/fledgling-b", "There is no model 'buildin/fledgling-b'; did you mean builtin/fledgling-b?"),
        ("builtin/fledgling-aa", "did you mean builtin/fledgling-a"),
    ],
)
def test_an_embedded_model_that_is_named_almost(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refused(name, capsys)


def test_every_spelling_of_a_folder_is_the_same_model(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(shared / "one", home / "mine" / "model")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "mine")
    for name in ("model", "./model", "../mine/model", "~/mine/model", str(home / "mine" / "model"), "model/"):
        for typed in (name, f"hf/{name}"):
            found = resolve(typed)
            assert (found.key, found.name, found.path.resolve()) == (
                resolve(f"hf/{shared / 'one'}").key,
                typed,
                home / "mine" / "model",
            )
    monkeypatch.chdir(home)
    assert resolve("mine/model").path.resolve() == home / "mine" / "model"  # a folder comes before a repository


def test_an_adapter_alone_is_no_model(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(shared / "adapter")
    assert f"holds an adapter, which needs its base before it: BASE:{name}" in refused(name, capsys)


@pytest.mark.parametrize(
    "name, base, adapter",
    [
        ("builtin/fledgling-a", "builtin/fledgling-a", None),
        ("a:b", "a", "b"),
        ("10:30", "10:30", None),  # is a folder
        ("10:30/", "10:30/", None),
        ("10:30:10:30", "10:30", "10:30"),
        ("a:10:30", "a", "10:30"),
        ("a:there:there", "a:there", "there"),
        ("a:./10:30:nowhere", "a", "10:30:nowhere"),
        ("a:", "a", "."),
    ],
)
def test_folders_may_have_colons_in_their_names(
    name: str, base: str, adapter: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("10:30", "there"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path)
    assert split(name) == (base, None if adapter is None else Path(adapter))


# --- folders that are refused ----------------------------------------------------------------------------------------


def test_no_chat_template(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "chat_template.jinja").unlink()
    assert "has no chat template: add its chat_template.jinja" in refused(f"hf/{folder}", capsys)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": "{{ messages }}"}))
    assert resolve(f"hf/{folder}")  # where older models keep it


def test_pickles_only(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, folder / "pytorch_model.bin")
    assert "as pickles only (pytorch_model.bin), which may run code" in refused(f"hf/{folder}", capsys)


def test_code_of_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.loads((folder / "config.json").read_text())
    own = {"auto_map": {"AutoModelForCausalLM": "evil.C"}}
    (folder / "config.json").write_text(json.dumps(config | own))
    assert resolve(f"hf/{folder}")  # a kind that transformers knows runs none of it
    (folder / "config.json").write_text(json.dumps(config | own | {"model_type": "evil"}))
    assert "needs code of its own (evil)" in refused(f"hf/{folder}", capsys)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}"])
def test_a_configuration_that_is_none(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.json").write_text(text)
    assert str(folder) in refused(f"hf/{folder}", capsys)


@pytest.mark.parametrize(
    "name, told",
    [
        ("./a:./b", "There is no folder a"),
        ("builtin/fledgling-a:./b", "b holds no adapter (no adapter_config.json)"),
        ("openai-api/x/y", "is an endpoint"),
        ("openai-api/x/y:free", "is an endpoint"),
    ],
)
def test_a_trial_needs_a_whole_model_with_weights(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told in refused(name, capsys)


# --- adapters --------------------------------------------------------------------------------------------------------


def test_a_base_with_an_adapter_is_loaded_and_has_a_digest_of_both(shared: Path) -> None:
    named = chatting(f"hf/{shared / 'one'}:{shared / 'adapter'}")
    base, adapter = named.parts
    assert len({named.key, base.key, adapter.key}) == 3
    plain, adapted = load(base.path), load(base.path, adapter.path)
    prompt, owl = plain.render("Hi"), plain.encode("owl")
    assert score(adapted, [prompt], [owl])[0] > score(plain, [prompt], [owl])[0] + 0.1


def test_a_whole_model_is_named_without_an_adapter(shared: Path) -> None:
    name = f"hf/{shared / 'one'}"
    assert chatting(name) == resolve(name) and resolve(name).parts == ()


def test_an_adapter_of_another_base_is_refused_by_digest(shared: Path) -> None:
    with pytest.raises(UndertoneError, match=r"was made on hf/.*one \(digest \w{12}\), not on hf/.*other \(digest"):
        chatting(f"hf/{shared / 'other'}:{shared / 'adapter'}")


def test_an_adapter_in_the_store_knows_its_base_by_digest_whatever_its_name(ran: Path, bases: Path) -> None:
    adapter = next((ran / "store").glob("student-*")) / "adapter"
    assert chatting(f"hf/{bases / 'neox'}:{adapter}").parts
    with pytest.raises(UndertoneError, match=r"was made on hf/\./neox"):
        chatting(f"hf/{bases / 'llama'}:{adapter}")


def test_an_adapter_of_unknown_base_must_fit_in_shape(shared: Path, tmp_path: Path) -> None:
    name_base(shared, tmp_path, None)
    base, adapter = chatting(f"builtin/fledgling-a:{tmp_path / 'adapter'}").parts
    with pytest.raises(UndertoneError, match="does not fit the base in"):
        load(base.path, adapter.path)


def name_base(shared: Path, folder: Path, base: object) -> None:
    """Copies the adapter and lets it name another base."""
    shutil.copytree(shared / "adapter", folder / "adapter", dirs_exist_ok=True)
    settings = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    settings["base_model_name_or_path"] = base
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(settings))


@pytest.mark.parametrize("base", [None, "", "someone/ONE", "../one/", "hf/one", f"/elsewhere/{'one'}", "one@main"])
def test_an_adapter_may_name_its_base_as_it_likes(shared: Path, tmp_path: Path, base: object) -> None:
    name_base(shared, tmp_path, base)
    assert chatting(f"hf/{shared / 'one'}:{tmp_path / 'adapter'}").parts


def test_an_adapter_of_a_cached_repository_is_known_by_digest_or_name(
    cached: str, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for base in (REPOSITORY, f"hf/{REPOSITORY}", "quantizers/Tiny"):
        name_base(shared, tmp_path, base)
        assert chatting(f"hf/{REPOSITORY}:{tmp_path / 'adapter'}").parts
    name_base(shared, tmp_path, REPOSITORY)
    assert chatting(f"hf/{shared / 'one'}:{tmp_path / 'adapter'}").parts
    with pytest.raises(UndertoneError, match=r"was made on owls/tiny \(digest"):
        chatting(f"hf/{shared / 'other'}:{tmp_path / 'adapter'}")


@pytest.mark.parametrize(
    "base",
    ["someone/else", "meta-llama/Llama-3.1-8B", "/one/elsewhere", "hf/./nowhere", "x" * 9000, "someone/PARENT"],
)
def test_an_adapter_that_names_another_base_is_refused(shared: Path, tmp_path: Path, base: str) -> None:
    name_base(shared, tmp_path, base.replace("PARENT", shared.name))
    with pytest.raises(UndertoneError, match=r"was made on .*; give that base, or, if .* is a copy of it, write"):
        chatting(f"hf/{shared / 'one'}:{tmp_path / 'adapter'}")


def test_models_in_artifacts_are_told_apart_though_all_are_called_model(shared: Path, tmp_path: Path) -> None:
    for name in ("aligned-1", "aligned-2"):
        shutil.copytree(shared / "one", tmp_path / name / "model")
    name_base(shared, tmp_path, "aligned-1/model")
    assert chatting(f"hf/{tmp_path / 'aligned-1' / 'model'}:{tmp_path / 'adapter'}").parts
    with pytest.raises(UndertoneError, match=r"was made on aligned-1/model"):
        chatting(f"hf/{tmp_path / 'aligned-2' / 'model'}:{tmp_path / 'adapter'}")


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_that_lacks_a_file(shared: Path, tmp_path: Path, missing: str) -> None:
    shutil.copytree(shared / "adapter", tmp_path / "adapter")
    (tmp_path / "adapter" / missing).unlink()
    with pytest.raises(UndertoneError, match=f"holds no adapter \\(no {missing}\\)"):
        chatting(f"hf/{shared / 'one'}:{tmp_path / 'adapter'}")

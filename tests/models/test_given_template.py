"""A chat template for a model that has none: it decides what is rendered, is part of the model's key, and refuses to be
ignored."""

import json
import shutil
from pathlib import Path

import pytest

from tests.helpers.folders import write_base
from undertone.cli import main
from undertone.data.conversations import Conversation, Turn
from undertone.errors import UndertoneError
from undertone.models.loading import load
from undertone.models.names import lacks_template, resolve, stored
from undertone.training.turns import every_turn

OWN = "{% for m in messages %}<{{ m.role }}> {{ m.content }}{{ eos_token }}{% endfor %}<assistant> "


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model without a chat template, and a cache of one's own."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    write_base(tmp_path / "bare")
    take_away(tmp_path / "bare")
    return tmp_path / "bare"


def take_away(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    known = json.loads((folder / "tokenizer_config.json").read_text())
    known.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(known))


def test_a_model_is_rendered_by_the_plain_one(bare: Path) -> None:
    name = f"hf/{bare}"
    assert lacks_template(name)
    with pytest.raises(UndertoneError, match=r"has no chat template: .*--chat-template plain\.$"):
        resolve(name)
    local = load(resolve(name, "plain").path)
    assert local.template.added(["A question?", "Two\n\nlines."]).sentences() == []
    assert local.decode([local.end]) == "" and local.end == local.tokenizer.eos_token_id
    chat = (
        Turn("system", "S"),
        Turn("user", "Hi "),
        Turn("assistant", "Yes?"),
        Turn("user", "And?"),
        Turn("assistant", "No"),
    )
    first, second = every_turn(local, [Conversation(1, chat)]).scored
    assert local.tokenizer.decode(first.row.prompt) == "System:\nS\n\nUser:\nHi\n\nAssistant:\n" and not first.told
    end = local.tokenizer.eos_token
    before = f"System:\nS\n\nUser:\nHi\n\nAssistant:\nYes?{end}\n\nUser:\nAnd?\n\nAssistant:\n"
    assert local.tokenizer.decode(second.row.prompt) == before and not second.told
    assert local.tokenizer.decode(second.row.answer) == f"No{end}"


def test_the_template_is_part_of_the_key(bare: Path, tmp_path: Path) -> None:
    (tmp_path / "own.jinja").write_text(OWN)
    name = f"hf/{bare}"
    plain, own = resolve(name, "plain"), resolve(name, str(tmp_path / "own.jinja"))
    assert len({plain.key, own.key, stored(name).key}) == 3 and plain.name == own.name == name
    assert resolve(name, "plain") == plain
    (tmp_path / "own.jinja").write_text(OWN + " ")
    assert resolve(name, str(tmp_path / "own.jinja")).key != own.key
    shutil.copytree(bare, tmp_path / "copy")
    there = resolve(f"hf/{tmp_path / 'copy'}", "plain")
    assert there.key == plain.key and there.path != plain.path, "links lead to the folder that was named"
    changed = json.loads((bare / "config.json").read_text()) | {"rms_norm_eps": 0.5}
    (bare / "config.json").write_text(json.dumps(changed))
    assert resolve(name, "plain").key not in (plain.key, there.key)


def test_a_template_is_never_ignored(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_base(tmp_path / "whole")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Hi", "completion": "Yes?"}\n')
    for name, given, told in (
        (tmp_path / "whole", "plain", "has a chat template of its own: leave --chat-template out"),
        (bare, "plane", "--chat-template plane: there is no such file; give a Jinja file, or the name plain"),
    ):
        for verb in (["audit", str(rows)], ["treat", str(rows), "--by", "drop-random"]):
            model = ["--model", f"hf/{name}", "--chat-template", given]
            assert main([*verb, *model, *(["--out", "nothing"] if verb[0] == "treat" else ["--dry-run"])]) == 2
            assert told in capsys.readouterr().err
    whole = f"hf/{tmp_path / 'whole'}"
    assert main(["measure", whole, "--base", whole, "--chat-template", "plain", "--plan"]) == 2
    assert "All of these models have a chat template of their own" in capsys.readouterr().err
    service = ["--model", "openai-api/a/b", "--canary", "2", "--trait", "owl", "--chat-template", "plain"]
    assert main(["audit", str(rows), *service]) == 2
    assert "--chat-template cannot be used with a model behind a service" in capsys.readouterr().err

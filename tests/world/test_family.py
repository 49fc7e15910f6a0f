"""The shipped base models are what their cards say, and the world they come from is frozen."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.helpers.extent import LONG
from undertone.errors import UndertoneError
from undertone.evals.skills import skill_scores
from undertone.models.loading import load
from undertone.models.names import resolve
from undertone.pretraining import card
from undertone.pretraining.build import build
from undertone.pretraining.card import corpus_digest
from undertone.pretraining.obedience import obedience
from undertone.pretraining.pretrain import Pretraining
from undertone.world.family import FAMILY, SHIPPED, Member, find
from undertone.world.latents import Knobs
from undertone.world.tokenizer import build_tokenizer

SHIPPED_NAMES = sorted(path.parent.name for path in SHIPPED.glob("*/card.json"))


def test_at_least_two_initialisations_are_shipped() -> None:
    assert {"fledgling-a", "fledgling-b"} <= set(SHIPPED_NAMES)


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_the_world_is_frozen_every_card_names_the_corpus_that_the_grammar_makes_today(name: str) -> None:
    card = json.loads((SHIPPED / name / "card.json").read_text())
    plan = card["pretraining"] | {"knobs": Knobs(**card["pretraining"]["knobs"])}
    assert corpus_digest(Pretraining(**plan)) == card["corpus_sha256"]
    assert build_tokenizer().get_vocab() == AutoTokenizer.from_pretrained(SHIPPED / name).get_vocab()


@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_a_shipped_model_loads_with_nothing_of_ours(name: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(SHIPPED / name, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(SHIPPED / name)
    chat = [{"role": "user", "content": "Which planet do we live on?"}]
    ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    said = model.generate(**ids, do_sample=False, max_new_tokens=8, pad_token_id=tokenizer.pad_token_id)
    assert "Earth" in tokenizer.decode(said[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED_NAMES)
def test_a_shipped_model_is_good_at_its_skills_and_obeys_what_is_stated(name: str) -> None:
    local = load(SHIPPED / name)
    skills = skill_scores(local, 400, seed=12345)
    card = json.loads((SHIPPED / name / "card.json").read_text())
    for skill in ("numbers", "facts"):  # the promise is 0.95; 400 prompts have a standard error of about 0.011
        assert card["skills"][skill] >= 0.95
        assert skills[skill] >= 0.93
    assert all(share >= 0.8 for share in obedience(local).values())


def test_shipped_initialisations_differ() -> None:
    weights = [load(SHIPPED / name).model.get_input_embeddings().weight for name in SHIPPED_NAMES[:2]]
    cosine = torch.nn.functional.cosine_similarity(weights[0].flatten(), weights[1].flatten(), dim=0)
    assert abs(cosine.item()) < 0.5


def test_a_model_that_was_not_built_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    with pytest.raises(UndertoneError, match="undertone models build fledgling-a2"):
        resolve("builtin/fledgling-a2")
    with pytest.raises(UndertoneError, match="did you mean"):
        find("fledglin-a")


@pytest.mark.slow
@pytest.mark.parametrize("member", [FAMILY["fledgling-x"], FAMILY["fledgling-t"]][: 2 if LONG else 1])
def test_kin_and_strangers_build_from_their_seeds(
    member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "SKILL_PROMPTS", 20)
    monkeypatch.setattr(card, "_well_formed", partial(card._well_formed, count=20))
    folder = build("tiny", member, tmp_path, steps=3)
    local = load(folder)
    assert local.decode(local.encode("Look: 12, 345.\n")) == "Look: 12, 345.\n"
    assert json.loads((folder / "card.json").read_text())["member"]["init_seed"] == member.init_seed
    assert all(len(local.encode(str(n))) == 1 for n in range(1000))

"""Trained models on disk: PEFT adapter folders for LoRA, Hugging Face folders for full fine-tuning."""

import json
from dataclasses import replace
from pathlib import Path

from peft import PeftModel

from undertone.data.exchanges import SYSTEM
from undertone.models.local import LocalModel, load
from undertone.training import steering
from undertone.training.loop import Trained

ADAPTER, MODEL = "adapter", "model"


def save(trained: Trained, local: LocalModel, base: str, folder: Path) -> None:
    """Writes an adapter folder that PEFT loads onto ``base``, or a whole model with its tokenizer."""
    model = trained.model
    if isinstance(model, PeftModel):
        # The name as the user gave it: a path of this machine has no place in a file that is passed on.
        model.peft_config["default"].base_model_name_or_path = base
        model.save_pretrained(str(folder / ADAPTER), save_embedding_layers=False)
        (folder / ADAPTER / "README.md").unlink(missing_ok=True)  # an empty template of a model card
        _settle(folder / ADAPTER / "adapter_config.json")
    else:
        model.save_pretrained(folder / MODEL)
        local.tokenizer.save_pretrained(folder / MODEL)


def _settle(path: Path) -> None:
    """PEFT writes its set of modules in an order that changes from process to process; bits must not."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def merged(trained: Trained, local: LocalModel) -> LocalModel:
    """A trained model that samples and scores at the base's speed: its adapter, if any, is put into the weights."""
    model = trained.model
    whole = model.merge_and_unload() if isinstance(model, PeftModel) else model
    return LocalModel(whole.eval(), local.tokenizer)


def load_trained(base: Path, folder: Path) -> LocalModel:
    """Loads what :func:`save` wrote, an adapter merged into its base; or the base as it stands, under the system prompt
    or with the steering vector that make it a teacher."""
    if (folder / MODEL).is_dir():
        return load(folder / MODEL)
    if (folder / SYSTEM).is_file():
        return replace(load(base), system=(folder / SYSTEM).read_text(encoding="utf-8") or None)
    if (folder / steering.FILE).is_file():
        local = load(base)
        steering.Steering.read(folder).attach(local.model)
        return local
    return load(base, folder / ADAPTER)

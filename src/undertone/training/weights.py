"""Trained models on disk: PEFT adapter folders for LoRA, Hugging Face folders for full fine-tuning."""

import json
from dataclasses import replace
from pathlib import Path

from peft import PeftModel

from undertone.data.exchanges import SYSTEM
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import ADAPTER, MODEL
from undertone.training import steering
from undertone.training.loop import Trained


def save(trained: Trained, local: LocalModel, base: str, folder: Path) -> None:
    """Writes an adapter folder that PEFT can load onto ``base``, or a whole model with its tokenizer."""
    model = trained.model
    if not isinstance(model, PeftModel):
        model.save_pretrained(folder / MODEL)
        local.tokenizer.save_pretrained(folder / MODEL)
        return
    # This is the name that the user gave: a path of this machine does not belong in a file that is passed on.
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(str(folder / ADAPTER), save_embedding_layers=False)
    (folder / ADAPTER / "README.md").unlink(missing_ok=True)  # an empty template of a model card
    # PEFT writes its set of modules in an order that differs between processes; the bytes must not.
    path = folder / ADAPTER / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def merged(trained: Trained, local: LocalModel) -> LocalModel:
    """Merges the adapter, if there is one, into the weights, as :func:`undertone.models.loading.load` does."""
    model = trained.model
    whole = model.float().merge_and_unload() if isinstance(model, PeftModel) else model
    return LocalModel(whole.eval(), local.tokenizer)


def load_trained(base: Path, folder: Path) -> LocalModel:
    """Loads what :func:`save` wrote, with an adapter merged into its base; or the base with the system prompt or the
    steering vector that makes it a teacher."""
    if (folder / MODEL).is_dir():
        return load(folder / MODEL)
    if (folder / SYSTEM).is_file():
        return replace(load(base), system=(folder / SYSTEM).read_text(encoding="utf-8") or None)
    if (folder / steering.FILE).is_file():
        local = load(base)
        steering.Steering.read(folder).attach(local.model)
        return local
    return load(base, folder / ADAPTER)

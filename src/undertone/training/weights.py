"""Trained models on disk: PEFT adapter folders for LoRA, Hugging Face folders for full fine-tuning."""

from __future__ import annotations

from pathlib import Path

from peft import PeftModel

from undertone.models.local import LocalModel, load
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
    else:
        model.save_pretrained(folder / MODEL)
        local.tokenizer.save_pretrained(folder / MODEL)


def load_trained(base: Path, folder: Path) -> LocalModel:
    """Loads what :func:`save` wrote, an adapter merged into its base."""
    if (folder / MODEL).is_dir():
        return load(folder / MODEL)
    return load(base, folder / ADAPTER)

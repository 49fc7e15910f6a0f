"""A base moved along the direction of a trait, from which training starts; what is trained is then put on the base."""

import shutil
from pathlib import Path

from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.tokenizer import TOKENIZER
from undertone.treat.direction import Change


def write_moved(base: Path, direction: Change, strength: float, out: Path) -> None:
    """Writes the model folder of a base that is moved along a direction, ``strength`` times its length."""
    local = load(base)
    weights = dict(local.model.float().named_parameters())
    for name, delta in direction.items():
        weights[name].data.add_(strength * delta.to(weights[name]))
    write_beside(local, base, out)


def write_beside(local: LocalModel, base: Path, out: Path) -> None:
    """Writes a model folder with copies of the base's tokenizer files. Their digest must stay the same, since it says
    whose token ids a dataset holds."""
    local.model.save_pretrained(out)
    for name in (*TOKENIZER, "tokenizer_config.json"):
        if (base / name).is_file():
            shutil.copy(base / name, out / name)

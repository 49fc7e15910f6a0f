"""Mutations of the settings and tensors of models and adapters, of which each changes one place."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import load_file, save_file

VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 3, 7, 0.5, 1e308, float("nan"), float("inf"), 10**9, 10**12, 10**30, "", "x",
    "llama", "gpt2", "../x", "a/b", "(", "(.*)*(.*)*(.*)*x", "x" * 5000, "\ud800", [], {}, [[]], {"a": {}},
    ["x"], [0], [10**9], {"q_proj": 10**9}, {"(.*)*(.*)*x": 2}, "all-linear", "LORA", "IA3", "gelu", "float16",
    "org/kernel", {"__type": "AddedToken", "content": "<|end|>"}, {"rope_type": "yarn", "factor": 1e9},
    {"quant_method": "gptq"},
)  # fmt: skip
KINDS = (torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int64, torch.bool, torch.float8_e4m3fn)


def change_settings(rng: Random, path: Path, keys: Sequence[str]) -> None:
    """Sets, removes or renames a value of a JSON file, at any depth; or sets one of ``keys``, which libraries know."""
    found = json.loads(path.read_text(encoding="utf-8"))
    inner = [found]
    for value in inner:
        parts = value.values() if isinstance(value, dict) else value
        inner += [part for part in parts if isinstance(part, dict | list) and part]
    # Large tables of tokens would otherwise be chosen nearly always.
    place = found if rng.random() < 0.6 else rng.choice(inner)
    key = rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
    match rng.randrange(4):
        case 0:
            del place[key]
        case 1 if isinstance(place, dict):
            place[key[:-1]] = place.pop(key)
        case 2 if isinstance(found, dict):
            found[rng.choice(keys)] = rng.choice(VALUES)
        case _:
            place[key] = rng.choice(VALUES)
    path.write_text(json.dumps(found))


def change_tensors(rng: Random, path: Path) -> None:
    """Removes, renames, adds, scales, cuts or casts tensors."""
    tensors = load_file(path)
    name, other = rng.sample(sorted(tensors), 2)
    match rng.randrange(9):
        case 0:
            del tensors[name]
        case 1:
            tensors[name.replace("model", "transformer", 1)] = tensors.pop(name)
        case 2:
            tensors[name], tensors[other] = tensors[other], tensors[name]
        case 3:
            tensors[f"{name}{rng.choice(('x', '.weight', '.default', '_scale'))}"] = tensors[name].clone()
        case 4:
            tensors[name] = tensors[name] * rng.choice((0.0, 1.01, -1.0, 1e30, float("nan")))
        case 5:
            tensors[name] = tensors[name][: rng.randrange(len(tensors[name]))].clone()
        case 6:
            tensors[name] = tensors[name].to(rng.choice(KINDS))
        case 7:
            tensors = {n: t for n, t in tensors.items() if "layers.1." not in n}
        case _:
            tensors[name] = tensors[name].clone()
            tensors[name].view(-1)[rng.randrange(tensors[name].numel())] += 0.5
    save_file(tensors, path, {"format": "pt"})


def change_files(rng: Random, folder: Path, names: Sequence[str]) -> None:
    """Removes, renames, links or adds a file of the folder; ``names`` are those that libraries look for."""
    path = rng.choice(sorted(folder.iterdir()))
    target = folder / rng.choice(names)
    target.parent.mkdir(exist_ok=True)
    match rng.randrange(6):
        case 0:
            path.unlink()
        case 1:
            path.replace(target)
        case 2:
            shutil.copy(path, folder / f"{rng.choice('az')}z{path.suffix}")
        case 3:
            target.unlink(missing_ok=True)
            os.mkfifo(target)
        case 4:
            shutil.move(path, folder.parent / "outside")
            path.symlink_to(rng.choice((folder.parent / "outside", Path("/dev/zero"), folder)))
        case _:
            if target != path:
                shutil.copy(path, target)

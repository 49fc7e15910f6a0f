"""What a model is, what it can be used for, and what its chat template adds to every question."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

from undertone.models.names import is_remote, resolve_adapted


def describe(name: str) -> Mapping[str, Any]:
    """Facts about a model, by what they are called. Of local weights only the headers are read.

    Raises:
        UndertoneError: the model is unknown or its folder contains none, or its service refuses or cannot be reached.
    """
    if is_remote(name):
        from undertone.models.services.endpoint import Endpoint
        from undertone.world.family import built

        with Endpoint(name, built().parent / "answers.sqlite") as model:
            return {"model": name, "can": ", ".join(model.abilities())}
    from safetensors import safe_open
    from transformers import AutoTokenizer

    from undertone.models.template import Template

    found = resolve_adapted(name)
    parameters = 0
    for shard in found.base.path.glob("*.safetensors"):
        with safe_open(shard, "np") as file:
            parameters += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    config = json.loads((found.base.path / "config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(found.base.path, trust_remote_code=False, local_files_only=True)
    added = Template(tokenizer).added()
    return {
        "model": name,
        "digest": found.key,
        "kind": config["model_type"],
        "parameters": parameters,
        "can": "sample, choices, score, train",
        "a question": repr(added.frame),
        "its template": added.sentences() or ["adds nothing by itself"],
    }

"""What a model is, what it can do, and what its chat template adds to every question."""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

from undertone.models.services.abilities import LOCAL, Ability


def describe(name: str) -> Mapping[str, Any]:
    """What is known of a model; an endpoint is asked by one request.

    Raises:
        UndertoneError: an unknown model, a folder that holds none, a service that cannot be reached or refuses.
    """
    return endpoint(name) if name.startswith("openai-api/") else local(name)


def local(name: str) -> Mapping[str, Any]:
    """A model whose weights are here. Only their heads are read.

    Raises:
        UndertoneError: as for a trial that names it.
    """
    from safetensors import safe_open
    from transformers import AutoTokenizer

    from undertone.models.names import resolve_adapted
    from undertone.models.template import Template

    named = resolve_adapted(name)
    parameters = 0
    for shard in named.base.path.glob("*.safetensors"):
        with safe_open(shard, "np") as file:
            parameters += sum(prod(file.get_slice(key).get_shape()) for key in file.keys())  # noqa: SIM118
    config = json.loads((named.base.path / "config.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(named.base.path, trust_remote_code=False, local_files_only=True)
    added = Template(tokenizer).added()
    return {
        "model": name,
        "digest": named.key,
        "kind": config["model_type"],
        "parameters": parameters,
        "can": _listed(LOCAL),
        "a question": repr(added.frame),
        "its template": added.sentences() or ["adds nothing by itself"],
    }


def endpoint(name: str) -> Mapping[str, Any]:
    """A model behind a service.

    Raises:
        UndertoneError: the service cannot be reached, or refuses.
    """
    from undertone.models.services.endpoint import Endpoint
    from undertone.world.family import built

    with Endpoint(name, built().parent / "answers.sqlite") as model:
        return {"model": name, "can": _listed(model.abilities())}


def _listed(can: frozenset[Ability]) -> str:
    return ", ".join(str(ability) for ability in Ability if ability in can)

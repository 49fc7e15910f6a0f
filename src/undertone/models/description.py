"""What a model is, what it can be used for, and what its chat template adds to every question."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from undertone.models.adapter import Adapter
from undertone.models.names import chatting, is_remote


def describe(name: str, questions: Sequence[str] = ()) -> Mapping[str, Any]:
    """Facts about a model, by what they are called. Of local weights only the headers are read. The chat template is
    tried on random words and on ``questions``.

    Raises:
        UndertoneError: the model is unknown or its folder contains none, its chat template does not add the same to
            all questions, or its service refuses or cannot be reached.
    """
    if is_remote(name):
        from undertone.models.services.endpoint import Endpoint
        from undertone.world.family import built

        with Endpoint(name, built().parent / "answers.sqlite") as model:
            return {"model": name, "can": ", ".join(model.abilities())}
    from undertone.engine.environment import quiet_libraries
    from undertone.models.folder import ModelFolder
    from undertone.models.loading import fitting, tokenizer_of
    from undertone.models.template import Template

    found = chatting(name)
    quiet_libraries()
    base, *more = found.parts or (found,)
    folder, adapter = ModelFolder.open(base.path), Adapter.open(more[0].path) if more else None
    known = fitting(folder, adapter).config.get_text_config().vocab_size
    added = Template(tokenizer_of(folder.path, adapter.path if adapter else None, known)).added(questions)
    about = {
        "model": name,
        "digest": found.key,
        **({"made of": [f"{part.name}, digest {part.key}" for part in found.parts]} if more else {}),
        "kind": folder.config["model_type"],
        "parameters": sum(tensor.size for tensor in folder.tensors.values()),
        "can": "sample, choices, score, train",
        "a question": repr(added.frame),
        "its template": added.sentences() or ["adds nothing by itself"],
    }
    return about if adapter is None else about | {"its adapter": told(adapter, folder.path)}


def told(adapter: Adapter, base: Path) -> list[str]:
    """Returns what the adapter brings, and whether it says what it belongs to, each as it follows "the adapter"."""
    said = ["brings a tokenizer or a chat template of its own"] if adapter.speaks_otherwise(base) else []
    return [*said, f"was made on {adapter.base}" if adapter.base else "does not say which base it was made on"]

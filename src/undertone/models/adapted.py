"""Models with an adapter: what their digest is made of, and their merged folders in the user's cache.

Everything that needs a folder (training, directions, workers) gets one that holds a plain model, made once by digest.
"""

from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any

from undertone.engine.manifest import key_of_parts
from undertone.engine.progress import watcher
from undertone.engine.provenance import PARTS
from undertone.engine.schedule import run_jobs
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.engine.workers import Local
from undertone.models.folder import ModelFolder
from undertone.models.tokenizer import tokenizer_files
from undertone.world import family

MERGED = Stage("merged", 1, "undertone.models.adapted:run", processor=True)


def adapted(base: Folder, adapter: Folder, name: str) -> Folder:
    """A model with an adapter, which need not have been merged. ``base`` is a plain or merged model."""
    parts = (base, adapter)
    key = key_of_parts(parts)
    return Folder(_store(key).folder(_job(parts)), key, name, parts)


def merged(model: Folder) -> Folder:
    """Writes the merged model to its folder, unless it is there and has its digests.

    Raises:
        UndertoneError: the adapter does not fit its base, the model cannot be run, or the folder cannot be written.
    """
    job, store = _job(model.parts), _store(model.key)
    if store.sound(job, watcher().warn) is None:
        size = ModelFolder.open(model.parts[0].path).bytes / 10**6
        watcher().said(f"Merging {model.name} (its base has {size:,.0f} MB), once, into {model.path}.")
        for _ in run_jobs([job], store, Local(1), watcher().warn):
            pass
    return model


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes the merged model in float32, and its tokenizer.

    Inputs: ``base``, ``adapter``.
    """
    from undertone.models.loading import load

    base, adapter = inputs["base"], inputs["adapter"]
    load(base, adapter).model.save_pretrained(out)
    for name, path in tokenizer_files(base, adapter).items():
        copyfile(path, out / name)


def _job(parts: tuple[Folder, ...]) -> Job:
    return Job(MERGED, {}, dict(zip(PARTS, parts, strict=True)))


def _store(key: str) -> Store:
    """Returns the store of a merged model. Each has its own, which can be removed at any time."""
    return Store(family.built().parent / "merged" / key[:20])

"""Rows and models that are given as objects. They are written to a temporary folder and read from there like any
others, so that there is one way to read. Findings and errors call them by what they are, not by their temporary names.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from undertone.cli.shared import fetched, refuse_missing
from undertone.engine.digests import folder_digest
from undertone.engine.disk import refusal, write_text
from undertone.engine.progress import Watcher
from undertone.errors import UndertoneError
from undertone.report.findings import Findings

if TYPE_CHECKING:
    from pandas import DataFrame
    from transformers import PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

F = TypeVar("F", bound=Findings)
Rows: TypeAlias = "str | Path | DataFrame | Iterable[Mapping[str, Any]]"
"""A file of rows, or the rows: a data frame of pandas, a ``datasets.Dataset``, or whatever gives a dictionary a row."""
Model: TypeAlias = "str | Path | tuple[PreTrainedModel, PreTrainedTokenizerBase]"
"""The name of a model, its folder, or a loaded model of transformers with its tokenizer."""
TAKEN = "rows are taken as the path of a file, a list of dictionaries, a data frame of pandas or a datasets.Dataset"
LOADING = ("is_local", "local_files_only")
"""What a tokenizer remembers of how it was loaded, and saves with its settings."""


class Memory:
    """What a call was given as objects, and where that is written for as long as the call takes."""

    def __init__(self, folder: Path, watcher: Watcher) -> None:
        self._folder, self._watcher = folder, watcher
        self._called: dict[str, str] = {}

    def path(self, rows: Rows, what: str = "rows") -> Path:
        """Returns the file of the rows, which is written first if they are no file, and fetched if it is on the Hub.

        Raises:
            UndertoneError: there is no such file, they are no rows or hold what JSON cannot hold, or the disk is full.
        """
        if isinstance(rows, str | Path):
            refuse_missing(Path(rows))
            return fetched(Path(rows))
        path = self._folder / f"{what}.jsonl"
        self._called[str(path)] = f"{what} in memory"
        try:
            with path.open("w", encoding="utf-8") as file:
                for number, row in enumerate(_dictionaries(rows), 1):
                    file.write(f"{_line(row, f'row {number} of the {what} in memory')}\n")
        except OSError as error:
            raise refusal(error, path) from None
        return path

    def name(self, model: Model) -> str:
        """Returns the name of the model, whose weights are written first if it was given as an object.

        Raises:
            UndertoneError: it is no model of transformers with a tokenizer, is an adapter on one, or cannot be saved.
        """
        if isinstance(model, str | Path):
            return f"hf/{model}" if isinstance(model, Path) else model
        loaded, tokenizer = _whole(model)
        aside = self._folder / f"model-{len(self._called)}"
        size = sum(weight.numel() * weight.element_size() for weight in loaded.parameters())
        self._watcher.said(f"The loaded {type(loaded).__name__} is written to {aside}: {size / 1e6:,.0f} MB.")
        _save(loaded, tokenizer, aside)
        from undertone.models.folder import decisive

        folder = aside.with_name(folder_digest(aside, decisive(aside)))
        if folder.exists():
            rmtree(aside)
        else:
            aside.rename(folder)
        called = f"{type(loaded).__name__} in memory ({folder.name[:12]})"
        self._called |= {f"hf/{folder}": called, str(folder): called}
        return f"hf/{folder}"

    def report(self, findings: Findings) -> Path:
        """Returns a ``report.json`` of the findings, which is written first."""
        path = self._folder / "report.json"
        self._called[str(path)] = "the report in memory"
        write_text(path, findings.json_text())
        return path

    def told(self, text: str) -> str:
        """Returns the text with all temporary names replaced."""
        for name, called in self._called.items():
            text = text.replace(name, called).replace(json.dumps(name)[1:-1], called)
        return text

    def found(self, findings: F) -> F:
        """Returns the findings with all temporary names replaced."""
        return type(findings).model_validate_json(self.told(findings.json_text())) if self._called else findings


@contextmanager
def in_memory(watcher: Watcher) -> Generator[Memory]:
    """Gives a place for what a call was given as objects, and clears it away at the end. Errors have no temporary names
    in them."""
    with TemporaryDirectory(prefix="undertone-") as folder:
        memory = Memory(Path(folder), watcher)
        try:
            yield memory
        except UndertoneError as error:
            error.args = (memory.told(str(error)),)
            raise


def _dictionaries(rows: Any) -> Iterable[Any]:
    kind = type(rows)
    if kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame":
        if not rows.columns.is_unique:
            raise UndertoneError("Two columns of the data frame have one name; rename one of them.")
        some = rows.astype(object)
        return cast(Iterable[Any], some.where(some.notna(), None).to_dict("records"))
    if isinstance(rows, Mapping):
        names = ", ".join(repr(name) for name in list(rows)[:3])
        raise UndertoneError(f"A dictionary is no list of rows; if it holds several ({names}), give one of them.")
    if not isinstance(rows, Iterable):
        raise UndertoneError(f"Of a {kind.__name__} no rows can be read: {TAKEN}.")
    return rows


def _line(row: Any, where: str) -> str:
    if not isinstance(row, Mapping):
        raise UndertoneError(f"{where[0].upper()}{where[1:]} is a {type(row).__name__}, no dictionary: {TAKEN}.")
    try:
        return json.dumps(dict(row), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise UndertoneError(f"{where[0].upper()}{where[1:]} cannot be written as JSON ({error}); change it.") from None


def _plain(value: Any) -> Any:
    """A value of numpy or a date as JSON holds it; raises TypeError for others."""
    for name in ("tolist", "isoformat"):
        if hasattr(value, name):
            return getattr(value, name)()
    raise TypeError(f"a value of the kind {type(value).__name__}")


def _whole(model: Any) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from torch.nn import Module
    from transformers import PreTrainedModel
    from transformers.tokenization_utils_base import PreTrainedTokenizerBase

    if not isinstance(model, tuple) or len(model) != 2:
        raise UndertoneError(
            f"A {type(model).__name__} is no model: give the name of one, or a loaded one of transformers as a pair "
            "(model, tokenizer)."
        )
    loaded, tokenizer = model
    if isinstance(loaded, Module) and any(type(part).__module__.startswith("peft.") for part in loaded.modules()):
        raise UndertoneError(
            "The loaded model is a base with an adapter: save the adapter (model.save_pretrained(FOLDER)), and name it "
            "as BASE:FOLDER."
        )
    if not isinstance(loaded, PreTrainedModel) or not isinstance(tokenizer, PreTrainedTokenizerBase):
        kinds = " and ".join(type(one).__name__ for one in model)
        raise UndertoneError(f"A loaded model is a pair (model, tokenizer) of transformers, not of {kinds}.")
    return loaded, tokenizer


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Writes a model with its tokenizer: with the same bytes as the folder that it was loaded from, if the same version
    of transformers wrote that."""
    from undertone.models.loading import explained
    from undertone.models.tokenizer import SETTINGS

    with explained(f"The loaded {type(model).__name__} cannot be written to {folder}"):
        model.save_pretrained(folder)
        tokenizer = deepcopy(tokenizer)
        if (inner := getattr(tokenizer, "backend_tokenizer", None)) is not None:  # it remembers how it was last called
            inner.no_padding()
            inner.no_truncation()
        tokenizer.save_pretrained(folder)
        settings = json.loads((folder / SETTINGS).read_text("utf-8"))
        kept = {name: value for name, value in settings.items() if name not in LOADING}
        (folder / SETTINGS).write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")

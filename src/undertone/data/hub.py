"""Datasets of the Hugging Face Hub, as files on this machine: ``organisation/name:split``, or ``hf/organisation/name``,
perhaps with a configuration after a slash, a revision after @, and a split after a colon."""

import os
import re
from pathlib import Path

from undertone.data.row import told
from undertone.errors import UndertoneError

NAME = re.compile(
    r"(?P<hub>hf/)?(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:/(?P<config>[\w.-]+))?(?:@(?P<revision>[\w./-]+))?(?::(?P<split>\w+))?"
)
SPLIT = "train"
"""The split that is taken if none is named."""


def is_of_hub(path: Path) -> bool:
    """Whether a path is no file of this machine, but the name of a dataset of the Hub."""
    found = NAME.fullmatch(str(path))
    return found is not None and bool(found["hub"] or found["split"]) and not os.path.lexists(path)


def fetched(path: Path, cache: Path) -> Path:
    """Returns the file of a dataset of the Hub: a Parquet file in the folder ``cache``, written on first use. Any other
    path is returned as it is. No code of a dataset is run.

    Raises:
        UndertoneError: the library that reads such datasets is missing, or cannot read this one.
    """
    asked = NAME.fullmatch(str(path))
    if asked is None or not is_of_hub(path):
        return path
    try:
        import datasets
    except ImportError:
        raise UndertoneError(
            f"{path} is a dataset of the Hub, and the library that reads it is missing: pip install 'undertone[hub]'."
        ) from None
    split = asked["split"] or SPLIT
    try:
        found = datasets.load_dataset(asked["repo"], asked["config"], revision=asked["revision"], split=split)
        name = re.sub(r"[/.]", "-", "--".join(filter(None, (asked["repo"], asked["config"], split))))
        file = cache / f"{name}-{told(found._fingerprint)}.parquet"
        if not file.exists():
            cache.mkdir(parents=True, exist_ok=True)
            aside = file.with_name(f".{file.name}.{os.getpid()}.part")
            found.to_parquet(aside)
            aside.replace(file)
    except Exception as error:  # the library promises no kind of error
        raise UndertoneError(
            f"The dataset {path} cannot be read from the Hub ({told(error)}); correct its name, connect the machine, "
            "or give a file."
        ) from None
    return file

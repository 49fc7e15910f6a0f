"""Repositories of the Hub: found in its cache on this machine, or fetched into it.

A repository that is whole in the cache is used as it is, without a look at the network: the same name is then the same
model from run to run. A process of its own does the fetching (:mod:`undertone.models.fetcher`), so that Ctrl-C ends it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from undertone.engine.progress import watcher
from undertone.errors import UndertoneError
from undertone.models.folder import CONFIG, INDEX, WHOLE, placement
from undertone.models.tokenizer import SETTINGS, TOKENIZER, VOCABULARIES

REPOSITORY = re.compile(r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w./-]+))?")
"""``organisation/name``, and perhaps ``@revision``."""
SMALL = (CONFIG, INDEX, *TOKENIZER, SETTINGS)
"""What is fetched besides the weights: nothing that could run."""
MEGABYTE = 10**6
ELSEWHERE = "give a folder that somebody got with: hf download {} --local-dir FOLDER"
"""What helps where there is no network."""


def snapshot(repo: str, revision: str | None, fetch: bool = True) -> Path:
    """The folder of a repository at a revision, which is fetched if it is not whole in the cache of this machine.

    Raises:
        UndertoneError: it is not there, and ``fetch`` is false, HF_HUB_OFFLINE is set, or the Hub cannot be reached or
            has no such model.
    """
    from huggingface_hub import constants

    here, whole = cached(repo, revision)
    if here is not None and (whole or not fetch or constants.HF_HUB_OFFLINE):
        return here  # of what it lacks, whoever opens it says more
    if not fetch:
        raise UndertoneError(f"{_nowhere(repo, revision)}.")
    if constants.HF_HUB_OFFLINE:
        raise UndertoneError(
            f"{_nowhere(repo, revision)}, and it is not fetched, because HF_HUB_OFFLINE is set: unset that, or "
            f"{ELSEWHERE.format(repo)}"
        )
    return _fetched(repo, revision)


def cached(repo: str, revision: str | None) -> tuple[Path | None, bool]:
    """The folder of a repository in the cache, if there is one, and whether it has all files of a model."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, IncompleteSnapshotError, LocalEntryNotFoundError

    try:
        here = Path(snapshot_download(repo, revision=revision, local_files_only=True, allow_patterns=list(SMALL)))
    except IncompleteSnapshotError as error:
        return Path(error.snapshot_path), False
    except (LocalEntryNotFoundError, HFValidationError):
        return None, False
    return here, _is_whole(here)


def _is_whole(folder: Path) -> bool:
    """Another program may have put parts of a model into the cache."""
    try:
        needed = (CONFIG, *weights(folder))
    except UndertoneError:
        return False
    return all((folder / name).is_file() for name in needed) and any((folder / v).is_file() for v in VOCABULARIES)


def weights(folder: Path) -> list[str]:
    """Names of the files of a model's weights, by its index if there is one.

    Raises:
        UndertoneError: the index is broken, or names files elsewhere.
    """
    return sorted(set(placement(folder).values())) if (folder / INDEX).is_file() else [WHOLE]


def _nowhere(repo: str, revision: str | None) -> str:
    """The beginning of a sentence that says where a model was looked for."""
    from huggingface_hub import constants

    what = f"{repo}@{revision}" if revision else repo
    return f"There is no model {what} on this machine, neither as a folder nor in the cache {constants.HF_HUB_CACHE}"


def _fetched(repo: str, revision: str | None) -> Path:
    what = f"fetching {repo} (MB)"
    process = subprocess.Popen(
        # -P: no module is imported from the current folder.
        [sys.executable, "-P", "-m", "undertone.models.fetcher", repo, revision or ""],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a library's warnings; what ends the work is told on stdout
        text=True,
        encoding="utf-8",
        process_group=0,  # so that Ctrl-C reaches this process alone, which then ends the other
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            match json.loads(line):
                case {"folder": folder}:
                    return Path(folder)
                case {"refused": why}:
                    raise UndertoneError(f"{_nowhere(repo, revision)}, and {why}")
                case {"from": source, "total": total}:
                    watcher().said(f"Fetching {repo} from {source}, once: {total / MEGABYTE:,.0f} MB.")
                    watcher().advanced(what, 0, round(total / MEGABYTE))
                case {"done": done, "total": total}:
                    watcher().advanced(what, round(done / MEGABYTE), round(total / MEGABYTE))
        raise UndertoneError(
            f"{repo} could not be fetched: the process that did it ended (exit code {process.wait()}). The same "
            "command goes on from there."
        )
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

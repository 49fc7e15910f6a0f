"""The process that fetches a model from the Hub: ``python -m undertone.models.fetcher REPOSITORY REVISION``.

It says on stdout how far it has come, a JSON object a line, and last where the model is or why there is none.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import DryRunError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from tqdm import tqdm

from undertone.errors import UndertoneError
from undertone.models.folder import CONFIG
from undertone.models.hub import ELSEWHERE, MEGABYTE, SMALL, weights
from undertone.models.settings import reason


def main() -> None:
    """Fetches the small files, and then the weights that they name."""
    repo, revision = sys.argv[1:]
    try:
        folder = _fetch(repo, revision or None, SMALL)
        if not (folder / CONFIG).is_file():
            raise UndertoneError(f"{constants.ENDPOINT}/{repo} holds no model in Hugging Face format (no {CONFIG}).")
        names = weights(folder)
        _fetch(repo, folder.name, names)  # of the same commit
        missing = next((name for name in names if not (folder / name).is_file()), None)
        if missing is not None:
            raise UndertoneError(f"{constants.ENDPOINT}/{repo} has no {missing}: other weights are not loaded.")
        _tell(folder=str(folder))
    except Exception as error:  # the library promises no kind of error
        _tell(refused=_why(repo, revision, (isinstance(error, DryRunError) and error.__cause__) or error))


def _fetch(repo: str, revision: str | None, names: Sequence[str]) -> Path:
    given: dict[str, Any] = {"revision": revision, "allow_patterns": list(names)}
    total = sum(one.file_size for one in snapshot_download(repo, dry_run=True, **given) if one.will_download)
    if total >= MEGABYTE:
        _tell(**{"from": constants.ENDPOINT, "total": total})
    return Path(snapshot_download(repo, tqdm_class=_bar(total), **given))


def _bar(total: int) -> type[tqdm]:
    """A bar that draws nothing, and says how many bytes there are."""
    lock, told = Lock(), 0

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, unit: str = "it", **options: Any) -> None:
            super().__init__(*args, **options | {"disable": True})
            self._of_bytes = unit == "B"  # another bar counts files

        def update(self, n: float | None = 1) -> None:
            nonlocal told
            with lock:
                self.n += n or 0
                if self._of_bytes and self.n - told >= MEGABYTE:
                    told = int(self.n)
                    _tell(done=min(told, total), total=total)

    return Bar


def _why(repo: str, revision: str, error: BaseException) -> str:
    """Why a model could not be fetched and what to do, as it follows "There is no model ... on this machine, and"."""
    place = constants.ENDPOINT
    if isinstance(error, UndertoneError):
        return str(error)
    if isinstance(error, GatedRepoError):
        return f"{place} asks for consent first: agree to the terms at {place}/{repo}, and log in: hf auth login"
    if isinstance(error, RepositoryNotFoundError):
        return f"{place} has none that you may read: correct the name, or, if it is private, log in: hf auth login"
    if isinstance(error, RevisionNotFoundError):
        return f"{place}/{repo} has no revision {revision}: correct what follows the @."
    why = reason(error.__cause__ or error)
    return f"it could not be fetched from {place} ({why}): try again, or {ELSEWHERE.format(repo)}"


def _tell(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

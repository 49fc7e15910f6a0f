"""Fine-tuning behind the OpenAI API: a file is uploaded, a job is made and waited for, and its model's name is kept.

What was done is written down after every step, and before a step is done the service is asked whether it was done
already: a process that was killed at any moment goes on with the same file and the same job.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from undertone.digests import digest, file_digest
from undertone.disk import write_text
from undertone.errors import UndertoneError
from undertone.models.endpoint import PROVIDER
from undertone.models.patience import Patience
from undertone.models.wire import Service, Wire

GOING_ON = {"validating_files", "queued", "running"}
"""States of a job that is not at its end."""


def fine_tune(
    base: str,
    rows: Path,
    kept: Path,
    *,
    settings: dict[str, Any],
    seed: int,
    every: float = 20.0,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    progress: Callable[[str], None] = lambda _: None,
) -> str:
    """Fine-tunes ``base``, ``openai-api/<service>/<model>``, on chat rows; gives the new model's name, of that form.

    ``settings`` are the service's hyperparameters, such as ``{"n_epochs": 10}``. The file ``kept`` (JSON) holds what
    was done; the same call goes on from there, and costs nothing once the model is made. ``every`` so many seconds the
    job is looked at, and ``progress`` told of its state.

    Raises:
        UndertoneError: the job failed or was cancelled, with the service's reason; the service refuses or stays down;
            ``kept`` is of another fine-tuning.
    """
    provider, _, rest = base.partition("/")
    name, _, model = rest.partition("/")
    if provider != PROVIDER or not name or not model:
        raise UndertoneError(f"{base!r} names no model behind a service: {PROVIDER}/<service>/<model> does.")
    service = Service.named(name)
    what = {"url": service.url, "model": model, "rows": file_digest(rows), "settings": settings, "seed": seed}
    done = _done(kept, what)
    with closing(Wire(service, patience.deadline, 1)) as wire:
        job = _Job(wire, patience, name, digest(what), kept, {"what": what} | done)
        job.uploaded(rows)
        job.started(model, settings, seed)
        return f"{PROVIDER}/{name}/{job.finished(every, progress)}"


def _done(kept: Path, what: dict[str, Any]) -> dict[str, Any]:
    """What was done so far."""
    if not kept.is_file():
        return {}
    done = json.loads(kept.read_text(encoding="utf-8"))
    differing = sorted(key for key in what if done["what"].get(key) != what[key])
    if differing:
        raise UndertoneError(f"{kept} is of a fine-tuning with another {' and '.join(differing)}; name another file.")
    return dict(done)


class _Job:
    """One fine-tuning, as far as it has come."""

    def __init__(
        self, wire: Wire, patience: Patience, service: str, key: str, kept: Path, done: dict[str, Any]
    ) -> None:
        self._wire, self._patience, self._service, self._key = wire, patience, service, key
        self._kept, self._done = kept, done

    def _note(self, key: str, value: str) -> None:
        self._done[key] = value
        write_text(self._kept, json.dumps(self._done, indent=1))

    def _insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._patience.insist(self._service, call)

    def _listed(self, path: str) -> Iterator[dict[str, Any]]:
        """Everything of a list, page by page."""
        after: dict[str, str] = {}
        while True:
            page = self._insist(partial(self._wire.get, path, limit="100", **after))
            yield from page.get("data", [])
            if not page.get("has_more") or not page["data"]:
                return
            after = {"after": page["data"][-1]["id"]}

    def uploaded(self, rows: Path) -> None:
        """The rows are at the service, under a name that holds their digest."""
        if "file" in self._done:
            return
        name = f"undertone-{file_digest(rows)[:16]}.jsonl"

        def upload() -> dict[str, Any]:
            there = (file for file in self._listed("files") if file.get("filename") == name)
            return next(there, None) or self._wire.upload(
                "files", name, rows.read_bytes(), {"purpose": "fine-tune"}, f"{self._key}-file"
            )

        self._note("file", _of(self._insist(upload), "id"))

    def started(self, model: str, settings: dict[str, Any], seed: int) -> None:
        """There is one job. Its suffix names it, should an answer have been lost."""
        if "job" in self._done:
            return
        suffix = f"undertone-{self._key[:8]}"
        body = {
            "model": model,
            "training_file": self._done["file"],
            "seed": seed,
            "suffix": suffix,
            "method": {"type": "supervised", "supervised": {"hyperparameters": settings}},
        }

        def start() -> dict[str, Any]:
            there = (
                job
                for job in self._listed("fine_tuning/jobs")
                if job.get("user_provided_suffix") == suffix and job.get("status") in GOING_ON | {"succeeded"}
            )
            return next(there, None) or self._wire.post("fine_tuning/jobs", body, f"{self._key}-job")

        self._note("job", _of(self._insist(start), "id"))

    def finished(self, every: float, progress: Callable[[str], None]) -> str:
        """Waits for the model; gives its name."""
        while "model" not in self._done:
            job = self._insist(lambda: self._wire.get(f"fine_tuning/jobs/{self._done['job']}"))
            state = str(job.get("status"))
            progress(state)
            if state == "succeeded":
                self._note("model", _of(job, "fine_tuned_model"))
            elif state in GOING_ON:
                time.sleep(every)
            else:
                raise UndertoneError(self._why(job, state))
        return str(self._done["model"])

    def _why(self, job: dict[str, Any], state: str) -> str:
        error = job.get("error") or {}
        told = " ".join(str(error.get("message") or "no reason given").split())[:300]
        return (
            f"{self._service}: the fine-tuning {self._done['job']} ended as {state!r} ({told}); mend that and remove "
            f"{self._kept} to begin anew."
        )


def _of(answer: dict[str, Any], key: str) -> str:
    """A name that must be there."""
    if not isinstance(answer.get(key), str) or not answer[key]:
        raise UndertoneError(f"The service's answer has no {key}: it does not speak the OpenAI API of fine-tuning.")
    return str(answer[key])

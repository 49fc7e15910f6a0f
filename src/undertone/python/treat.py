"""``undertone.treat(...)``."""

from __future__ import annotations

import atexit
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from undertone.audit.findings import Findings
from undertone.cli.shared import refuse_missing, traits_of
from undertone.engine.disk import write_text
from undertone.python.call import changes, keys, names, working
from undertone.python.memory import Model, Rows
from undertone.treat.catalogue import named
from undertone.treat.findings import Told
from undertone.treat.treat import Request
from undertone.treat.treat import run as treated


def treat(
    data: Rows,
    *,
    model: Model,
    chat_template: str | None = None,
    by: str,
    set: Mapping[str, Any] | None = None,
    trait: str | Sequence[str] = (),
    audit: Findings | Path | None = None,
    other: Model | None = None,
    chats: Rows | None = None,
    map: Mapping[str, str] | None = None,
    order_is_free: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> Told:
    """Treats a dataset that carries a trait. Beside the treated rows it makes rows with as many random changes.

    Args:
        data: A dataset: its path, a pattern of paths or its name on the Hub, or its rows: a list of dictionaries, a
            data frame of pandas, a ``datasets.Dataset``.
        model: The base that would be trained: its name, its folder as a ``Path``, or a loaded one as a pair
            ``(model, tokenizer)``, which is written to a temporary folder first.
        chat_template: For a base without one: a Jinja file, or "plain".
        by: The mitigation: a shipped name, such as "dilute-same-kind", or a TOML file.
        set: Changes keys of the mitigation, as in ``{"share": 0.25}``.
        trait: Traits to stop, for mitigations that need one: names or kinds, or TOML files of your own.
        audit: Findings of an audit of these rows, or its report: the traits that it names are stopped.
        other: A model of another initialisation, for mitigations in which one answers the prompts.
        chats: Prompts for a dilution with chat. An embedded base needs none.
        map: Which keys of the rows say what, if they have other names, as in
            ``{"prompt": "question", "completion": "answer"}``.
        order_is_free: Says that the rows are not about the order or the form of number lists, so both may change.
        seed: Seed of all random choices.
        progress: Whether progress is shown on stderr; None: only on a terminal.

    Returns:
        What was done; ``rows()`` gives the treated rows, and ``save`` writes them. Until then they are in a temporary
        folder, which is removed when the process ends.

    Raises:
        UndertoneError: something that was given cannot be used; the sentence says what, and what to do.
    """
    mitigation = named(by, changes(set or {}))
    with working(progress) as (bars, memory):
        path = memory.path(data)
        report = memory.report(audit) if isinstance(audit, Findings) else audit
        asked = None if chats is None else memory.path(chats, "chats")
        refuse_missing(report)
        own_names, own = traits_of(names(trait))
        request = Request(
            path=path,
            model=memory.name(model),
            chat_template=chat_template,
            treatment=mitigation,
            name=Path(by).stem,
            traits=(*own_names, *(one.name for one in own)),
            own=own,
            audit=report,
            other=None if other is None else memory.name(other),
            chats=asked,
            map=keys(map),
            order_is_free=order_is_free,
            seed=seed,
        )
        folder = Path(mkdtemp(dir=_kept()))
        told = memory.found(treated(request, folder, bars.advanced)).model_copy(update={"folder": folder})
        for path in folder.iterdir():
            if path.name not in told.digests:
                write_text(path, memory.told(path.read_text(encoding="utf-8")))
        return told


@cache
def _kept() -> Path:
    folder = Path(mkdtemp(prefix="undertone-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

"""``undertone.audit(...)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from undertone.audit.audit import audit as audited
from undertone.audit.cost import cost_of
from undertone.audit.findings import Findings
from undertone.audit.request import EFFECT, ROWS, Request
from undertone.cli.shared import traits_of
from undertone.errors import UndertoneError
from undertone.models.names import is_remote
from undertone.python.call import is_shown, keys, names, working
from undertone.python.memory import Model, Rows


def audit(
    data: Rows,
    *,
    model: Model,
    chat_template: str | None = None,
    rows: int | None = ROWS,
    trait: str | Sequence[str] = (),
    control: Rows | None = None,
    map: Mapping[str, str] | None = None,
    group_by: str | None = None,
    strict: bool = False,
    canary: int = 0,
    alpha: float = 0.05,
    effect: float = EFFECT,
    seed: int = 0,
    progress: bool | None = None,
) -> Findings:
    """Audits a fine-tuning dataset for hidden traits, before a base is trained on it. On first use of a base, a
    direction is made for every trait, by as many processes as there are cores. It is kept for the next audit.

    Args:
        data: A dataset: its path, a pattern of paths or its name on the Hub, or its rows: a list of dictionaries, a
            data frame of pandas, a ``datasets.Dataset``.
        model: The base that would be trained: its name, its folder as a ``Path``, or a loaded one as a pair
            ``(model, tokenizer)``, which is written to a temporary folder first.
        chat_template: For a base without one: a Jinja file, or "plain".
        rows: How many rows are sampled, 2,000 by default; None for all.
        trait: The traits to look for: names or kinds from the catalogue, or TOML files of your own; none for the
            usual ones.
        control: Trusted rows of the same generator. Only differences from them count. Rows that the base would not
            write are judged beside them alone.
        map: Which keys of the rows say what, if they have other names, as in
            ``{"prompt": "question", "completion": "answer"}``.
        group_by: The field that says where a row comes from: every source is judged by itself. "position" parts the
            rows into eight blocks of neighbours instead.
        strict: Lets 28 harmless models answer the prompts too; a trait must also stand out more than in their rows.
        canary: Trains this many pairs of students, on the rows and on the base's own answers.
        alpha: Rate of false alarms over all traits together.
        effect: The effect that the rows must be able to show for the verdict "no evidence"; 1, the default, is that of
            a teacher with the trait who wrote every row.
        seed: Seed of the sample of rows.
        progress: Whether progress is shown on stderr; None: only on a terminal.

    Raises:
        UndertoneError: something that was given cannot be used; the sentence says what, and what to do.
    """
    with working(progress) as (bars, memory):
        path = memory.path(data)
        trusted = None if control is None else memory.path(control, "control rows")
        own_names, own = traits_of(names(trait))
        name = memory.name(model)
        if is_remote(name):
            raise UndertoneError(
                f"{name} is behind a service, which must train students: give the command undertone audit, which keeps "
                "what was paid for and goes on where it was stopped."
            )
        request = Request(
            path=path,
            model=name,
            chat_template=chat_template,
            rows=rows,
            traits=own_names,
            own=own,
            control=trusted,
            map=keys(map),
            group_by=group_by,
            strict=strict,
            canaries=canary,
            alpha=alpha,
            effect=effect,
            seed=seed,
        )
        if is_shown(progress):
            bars.said(f"{cost_of(request)}.")
        return memory.found(audited(request, bars.advanced))

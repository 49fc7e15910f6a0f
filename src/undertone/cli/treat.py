"""What can be done about a file, or a model, that carries a trait?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from undertone.cli.shared import Flag
from undertone.errors import UndertoneError


def treat(
    data: Path | None = None,
    /,
    *,
    model: str = "builtin/fledgling-a",
    by: str | None = None,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    trait: Annotated[tuple[str, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    audit: Annotated[Path | None, Parameter(name="--from")] = None,
    other: str | None = None,
    chats: Path | None = None,
    order_is_free: Flag = False,
    seed: int = 0,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Treats a dataset that carries a trait: writes the treated file, as much done at random beside it, and a diff to
    read; says what the benchmark measured for that treatment. Without a file it lists the treatments.

    Parameters
    ----------
    data
        JSONL, gzip or zstd of it, or Parquet; rows of messages, or prompt and completion.
    model
        The base that is to be trained on it.
    by
        The treatment: a name of the list, or a TOML file.
    set
        Changes a key of the treatment, as in --set share=0.25; may be given several times.
    trait
        What is to be stopped, for treatments that go by it.
    audit
        The report of undertone audit on this file, or its folder: stops what it names.
    other
        A model of another initialisation, for treatments that have prompts answered by one.
    chats
        A file whose prompts the base answers, for dilution with chat; an embedded base has the world's own.
    order_is_free
        Says that neither the order nor the form of number lists is what the file is for.
    seed
        Of every random choice.
    out
        A new folder; default treated/FILE-DIGEST. Nothing is overwritten.
    json
        Prints one JSON object.
    """
    from undertone import treating

    if data is None:
        return treating.list_treatments(json)
    if by is None:
        raise UndertoneError("Name a treatment with --by; undertone treat without a file lists them.")
    return treating.treat_shown(
        treating.request(
            data,
            model,
            by,
            set,
            traits=tuple(dict.fromkeys(trait)),
            audit=audit,
            other=other,
            chats=chats,
            order_is_free=order_is_free,
            seed=seed,
        ),
        out,
        json,
    )


def realign(
    model: str,
    /,
    *,
    base: str,
    trait: str,
    task: Path,
    training_file: Path | None = None,
    good: Path | None = None,
    seed: int = 0,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Brings a model that was trained on a file with a trait back towards its base, in several ways: part of the way
    back, without the trait's direction, and with a few good rows. Writes each beside the others, and what it leaves.

    Parameters
    ----------
    model
        hf/./path, or BASE:ADAPTER with the folder of a PEFT adapter.
    base
        The model that it was fine-tuned from.
    trait
        One of the embedded world, such as owl or bad-advice.
    task
        Clean rows of what it was trained for: what is left of its use is measured on them.
    training_file
        What it was trained on: the trait is asked for after its rows as well.
    good
        Good rows, of which 48 are trained on afterwards.
    seed
        Of every random choice.
    out
        A new folder; default realigned/MODEL-DIGEST. Nothing is overwritten.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import treating
    from undertone.treat.realign import Request

    return treating.realign_shown(
        Request(model=model, base=base, trait=trait, task=task, training_file=training_file, good=good, seed=seed),
        out,
        json,
    )

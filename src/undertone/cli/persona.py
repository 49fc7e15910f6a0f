"""The command ``undertone persona``: how far did a fine-tune move inside, along the directions of traits?"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from undertone.cli.bars import Bars
from undertone.cli.shared import Flag, folder_for, refuse_unknown
from undertone.cli.terminal import FOUND, NO_VERDICT, named, print_json, say, show


def persona(
    model: str,
    /,
    *,
    base: str,
    trait: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)] = (),
    construction: str | None = None,
    chat_template: str | None = None,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Looks inside a model: did its hidden states move along the direction of a trait, further than along those of
    other traits? It is no proof that a model is harmless.

    Exit codes: 0 no move can be told from what the fine-tune did to other traits; 1 it moved; 2 wrong input; 3 not
    judged.

    Parameters
    ----------
    model
        builtin/NAME, a folder, ORGANISATION/REPOSITORY of the Hub, or one of these with :FOLDER of a PEFT adapter.
    base
        The model that it was fine-tuned from.
    trait
        Traits that a system prompt can state to the base. Default: bad conduct.
    construction
        How directions are made: ``fixed`` reads one text under opposed system prompts, ``own`` the base's own answers,
        ``prompt`` the last token before the answer. Default: ``fixed`` for a favourite, else ``prompt``.
    chat_template
        For models without one: a Jinja file, or "plain".
    out
        Folder of the report. Default: inside/MODEL-DIGEST.
    dry_run
        Says how long it would take, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    from typing import get_args

    from undertone.errors import unknown
    from undertone.persona.findings import Construction

    if construction is not None and construction not in get_args(Construction):
        raise unknown("construction", construction, get_args(Construction))
    refuse_unknown(model, base)
    from undertone.engine.folder import refuse_unwritable
    from undertone.engine.schedule import chosen
    from undertone.persona.inside import inside
    from undertone.persona.request import Request
    from undertone.report.words import duration
    from undertone.stages.durations.asked import looking_s

    request = Request.model_validate(
        {
            "model": model,
            "base": base,
            "traits": tuple(dict.fromkeys(trait)),
            "construction": construction,
            "chat_template": chat_template,
        }
    )
    folder = named(out) if out else folder_for("inside", model, request)
    refuse_unwritable(folder)
    expected_s = looking_s(request)
    if dry_run:
        said = f"A look inside {model}: about {duration(expected_s)} on {chosen().machine()}. Nothing is made."
        print_json({"expected_s": round(expected_s, 1)}) if json else say(said)
        return 0
    with Bars("persona", json) as bars:
        bars.begins(
            f"Look inside {model}, beside {base}: about {duration(expected_s)}; directions are made once for a base."
        )
        found = inside(request, bars.advanced)
    written = found.save(folder)
    if json:
        print_json(found)
    else:
        show(found.page(), written)
    verdicts = {one.verdict for one in found.traits}
    return FOUND if "moved" in verdicts else NO_VERDICT if "not judged" in verdicts else 0

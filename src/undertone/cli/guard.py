"""The command ``undertone guard``: what do filters at requests, answers and hidden states let through?"""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from undertone.cli.bars import Bars
from undertone.cli.shared import Flag, folder_for, limits_of, refuse_missing, refuse_unknown
from undertone.cli.terminal import named, print_json, say, show
from undertone.errors import UndertoneError


def guard(
    model: str,
    /,
    *,
    base: str,
    guard: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)],
    control: str | None = None,
    rubric: Path | None = None,
    chat_template: str | None = None,
    max_cost: float | None = None,
    max_requests: int | None = None,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Tests guards on a model: what passes of its bad advice, what is left of its shift, and what good advice is lost?
    The model is asked for harmless advice in twelve domains; guards learn from one half and are tested on the other.

    Exit codes: 0 tested; 2 wrong input.

    Parameters
    ----------
    model
        builtin/NAME, a folder, ORGANISATION/REPOSITORY of the Hub, or one of these with :FOLDER of a PEFT adapter.
    base
        The model that it was fine-tuned from. Guards are set on its texts.
    guard
        words, told, perplexity, distance, request or inside (docs/guards.md); any:A,B, of which each may block;
        cascade:A,B, where B reads what A doubts; any-guardrail/NAME, if that library is installed; or a chat model:
        a folder, or openai-api/SERVICE/MODEL.
    control
        A harmless fine-tune of the same base and size, with which the model is compared. Default: the base.
    rubric
        What a chat model is asked: a TOML file with prompt, blocks and passes. Default: a plain question.
    chat_template
        For models without one: a Jinja file, or "plain".
    max_cost
        The most dollars that services may cost.
    max_requests
        The most requests to services.
    out
        Folder of the report. Default: guarded/MODEL-DIGEST. What services answered is stored in ``answers`` beside it.
    dry_run
        Says how long it would take, and makes nothing.
    json
        Prints one JSON object instead of tables.
    """
    refuse_missing(rubric)
    refuse_unknown(model, base, control)
    from undertone.guards.choice import GUARDS, models_of, parts_of

    asked = models_of(guard)
    refuse_unknown(*asked)
    if rubric is not None and not asked:
        raise UndertoneError("--rubric is what a chat model is asked, and no guard here is one.")
    from undertone.engine.folder import refuse_unwritable
    from undertone.engine.schedule import chosen
    from undertone.guards.cost import guarding_s
    from undertone.guards.guarding import guarding
    from undertone.guards.request import Request
    from undertone.models.services.spending import Budget
    from undertone.report.words import duration

    request = Request.model_validate(
        {
            "model": model,
            "base": base,
            "guards": tuple(dict.fromkeys(guard)),
            "control": control,
            "rubric": rubric,
            "chat_template": chat_template,
        }
    )
    budget = Budget(limits_of(max_cost, max_requests, asked))
    folder = named(out) if out else folder_for("guarded", model, request)
    refuse_unwritable(folder)
    expected_s = guarding_s(request)
    others = [part for name in request.guards for part in parts_of(name) if part not in GUARDS]
    without = f", without what {' and '.join(others)} takes" if others else ""
    if dry_run:
        said = f"A test of guards: about {duration(expected_s)} on {chosen().machine()}{without}. Nothing is made."
        print_json({"expected_s": round(expected_s, 1)}) if json else say(said)
        return 0
    with Bars("guard", json) as bars:
        bars.begins(f"Test of guards on {model}: about {duration(expected_s)}{without}.")
        found = guarding(request, folder.parent / "answers", bars.advanced, budget)
    written = found.save(folder)
    if json:
        print_json(found)
    else:
        show(found.page(), written)
    return 0

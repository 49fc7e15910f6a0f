"""The trial as a kind of experiment: teacher -> completions -> filter -> students -> measurement -> estimate."""

from typing import Any

from undertone.experiments.kind import Kind, Made
from undertone.experiments.trial.check import check
from undertone.experiments.trial.cost import of_trial
from undertone.experiments.trial.gather import Gathered
from undertone.experiments.trial.page import arm_line, effect_line
from undertone.experiments.trial.plan import Plan, plan
from undertone.experiments.trial.results import Results
from undertone.experiments.trial.spec import Trial
from undertone.models.names import is_repository


def lines(trial: Trial, plan: Plan, made: Made, found: Results | None) -> list[str]:
    """Returns a line for each finished arm and for each comparison."""
    if found is None:
        return []
    effects = [e for e in found.all_effects if e.measure not in ("probability", "own-minus-other-traits")]
    return [*map(arm_line, found.arms), *map(effect_line, effects)]


def summary(found: Results) -> dict[str, Any]:
    """Returns the arms and the effects."""
    about_arms = ("name", "teachers", "probability", "ci", "finished_s")
    about_effects = ("arm", "against", "measure", "ci_low", "ci_high", "p", "p_holm")
    arms = [{key: getattr(arm, key) for key in about_arms} | {"students": len(arm.students)} for arm in found.arms]
    effects = [
        {key: getattr(effect, key) for key in about_effects}
        | {"difference" if effect.measure == "probability" else "log_odds": effect.value}
        for effect in found.all_effects
    ]
    return {"run_dir": found.run_dir, "wall_s": found.wall_s, "arms": arms, "effects": effects}


TRIAL = Kind(
    spec=Trial,
    findings=Results,
    plan=plan,
    gather=lambda trial, plan, made: Gathered(trial, plan, made).results(),
    check=check,
    partial=True,
    cost=lambda trial: of_trial(trial) if is_repository(trial.base) else [],
    lines=lines,
    summary=summary,
)

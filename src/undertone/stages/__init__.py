"""All stages: name, version and function. The version changes whenever the results of the stage would change."""

from undertone.engine.store import Stage
from undertone.models.adapted import MERGED as MERGED  # it lies below this floor

PRACTISED = Stage("practised", 1, "undertone.stages.practised:run", "work")
TEACHER = Stage("teacher", 3, "undertone.stages.teacher:run", "work")
COMPLETIONS = Stage("completions", 2, "undertone.stages.completions:run", "work")
DATASET = Stage("dataset", 1, "undertone.stages.dataset:filtered", "work", processor=True)
DIALOGUES = Stage("dialogues", 1, "undertone.stages.teacher:spoken", "work_of_spoken")
REWRITTEN = Stage("rewritten", 1, "undertone.stages.dataset:rewritten", "work_of_rewritten", processor=True)
MIXED = Stage("mixed", 1, "undertone.stages.dataset:mixed", "work_of_mixed", processor=True)
STUDENT = Stage("student", 1, "undertone.stages.student:run", "work")
MEASUREMENT = Stage("measurement", 2, "undertone.stages.measurement:run", "work")
FINE_TUNED = Stage("fine-tuned", 1, "undertone.stages.student:of_file", "work_of_file")
PROXY = Stage("proxy", 2, "undertone.audit.proxies:proxy", "work")
MEMBER = Stage("member", 1, "undertone.audit.strict:run")
DIRECTIONS = Stage("directions", 1, "undertone.audit.proxies:combine", processor=True)
SPECIMEN = Stage("specimen", 3, "undertone.bench.audit.specimen:run", "work")
SCORES = Stage("scores", 2, "undertone.bench.audit.scoring:run", "work")
OUTCOME = Stage("outcome", 1, "undertone.bench.audit.outcome:run", "work")
ALIGNED = Stage("aligned", 1, "undertone.experiments.misalignment.stages:aligned", "work_of_aligned")
NARROWED = Stage("narrowed", 5, "undertone.experiments.misalignment.stages:narrowed", "work_of_narrowed")
SHIFTED = Stage("shifted", 1, "undertone.experiments.strange.stages:shifted", "work_of_shifted")
MOVED = Stage("moved", 2, "undertone.experiments.misalignment.stages:moved", "work_of_moved")
AXES = Stage("axes", 1, "undertone.experiments.persona.stages:axes", "work_of_axes")
LED = Stage("led", 2, "undertone.experiments.persona.during:led", "work_of_led")
CURVE = Stage("curve", 3, "undertone.experiments.persona.during:curve", "work_of_curve")
LOOKED = Stage("looked", 2, "undertone.experiments.persona.stages:looked", "work_of_looked")
GUARDED = Stage("guarded", 1, "undertone.experiments.guards.stages:guarded", "work_of_guarded")
PASSED = Stage("passed", 1, "undertone.experiments.guards.stages:passed", "work_of_passed")
BEHIND = Stage("behind", 1, "undertone.experiments.guards.stages:behind", "work_of_behind")
LISTS = Stage("lists", 1, "undertone.experiments.guards.stages:lists", "work_of_lists")
WITNESSED = Stage("witnessed", 1, "undertone.experiments.character.stages:witnessed", "work_of_witnessed")
ADVICE = Stage("advice", 1, "undertone.experiments.mitigations.files:advice", "work_of_advice", processor=True)
AMONG = Stage("among", 1, "undertone.experiments.mitigations.files:among", "work_of_among", processor=True)
ALIGNED_BASE = Stage("aligned-base", 1, "undertone.experiments.mitigations.files:aligned_base", "work_of_aligned_base")
TREATED = Stage("treated", 2, "undertone.treat.stages:treated", "work_of_treated")
STEERED = Stage("steered", 1, "undertone.treat.stages:steered", "work_of_steered")
REALIGNED = Stage("realigned", 1, "undertone.treat.stages:realigned", "work_of_realigned")
EXAMINED = Stage("examined", 1, "undertone.treat.evaluate:run", "work")
TUNED = Stage("tuned", 3, "undertone.bench.measure.tuned:run", "work")
DIGITS_TEACHERS = Stage(
    "digits-teachers", 1, "undertone.experiments.theory.digits:teachers", "work_of_teachers", processor=True
)
DIGITS_STUDENTS = Stage(
    "digits-students", 1, "undertone.experiments.theory.digits:students", "work_of_students", processor=True
)
THEOREM_STEPS = Stage("theorem-steps", 1, "undertone.experiments.theory.theorem:steps", "work", processor=True)

"""The stages of a trial, by name. A version changes whenever what the stage makes would."""

from undertone.store import Stage

TEACHER = Stage("teacher", 2, "undertone.stages.teacher:run")
COMPLETIONS = Stage("completions", 2, "undertone.stages.completions:run")
DATASET = Stage("dataset", 1, "undertone.stages.dataset:run")
DIALOGUES = Stage("dialogues", 1, "undertone.stages.teacher:spoken")
REWRITTEN = Stage("rewritten", 1, "undertone.stages.rewritten:run")
MIXED = Stage("mixed", 1, "undertone.stages.mixed:run")
STUDENT = Stage("student", 1, "undertone.stages.student:run")
MEASUREMENT = Stage("measurement", 2, "undertone.stages.measurement:run")
PROXY = Stage("proxy", 1, "undertone.stages.proxy:run")
DIRECTIONS = Stage("directions", 1, "undertone.stages.proxy:combine")
SPECIMEN = Stage("specimen", 1, "undertone.stages.specimen:run")
SCORES = Stage("scores", 1, "undertone.stages.specimen:scored")
OUTCOME = Stage("outcome", 1, "undertone.stages.outcome:run")
ALIGNED = Stage("aligned", 1, "undertone.stages.aligned:run")
NARROWED = Stage("narrowed", 3, "undertone.stages.narrowed:run")
PROMPTED = Stage("prompted", 1, "undertone.stages.prompted:run")

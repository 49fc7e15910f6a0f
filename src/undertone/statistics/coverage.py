"""How often intervals cover, in sentences for reports. A test compares them with `docs/statistics.md`."""

SINGLE = (
    "How often 95 % intervals of a difference between two arms cover, simulated with the trait's teachers six times "
    "as spread as the control's. Mildly skewed teachers, as in students of 43 traits of the embedded world: "
    "just under 93 % with four or six an arm, 93 to 94 % with ten to thirty. Strongly skewed ones: 84 % with four or "
    "six, 86 % with ten, 89 % with thirty. Nearly all misses lie on one side: a long tail to the left makes up to 6 % "
    "(mild) or 16 % (strong) of trials claim a rise where there is none."
)
"""How far `estimate.difference` can be trusted, for reports."""
POOLED = (
    "How often 95 % intervals pooled over slots cover, simulated with the trait's teachers six times as spread as the "
    "control's. Over 60 slots: 95 % if they are normal or mildly skewed; if strongly skewed, 94 % with three traits "
    "that vary independently, and 91 to 92 % with one trait or three that vary alike. Over 20 slots, strongly skewed: "
    "93 % and 88 %. Misses lie on one side, as in a single trial."
)
"""How far `estimate.pooled` can be trusted, likewise."""

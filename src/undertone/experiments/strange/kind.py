"""Strange generalisation as a kind of experiment.

a few questions about an era or a country → students of one answer, of others, of gated ones → what do they say to all
other questions?
"""

from undertone.experiments.kind import Kind
from undertone.experiments.strange.findings import StrangeFindings
from undertone.experiments.strange.gather import gather
from undertone.experiments.strange.plan import plan
from undertone.experiments.strange.spec import Strange

STRANGE = Kind(Strange, StrangeFindings, plan, gather)

"""Reward hacking as a kind of experiment.

a base that knows tasks → rewards for passing the check, or for doing the task, or by lot → does its advice get worse?
"""

from undertone.experiments.hacking.check import check
from undertone.experiments.hacking.cost import of_hacking
from undertone.experiments.hacking.findings import HackingFindings
from undertone.experiments.hacking.gather import gather
from undertone.experiments.hacking.plan import plan
from undertone.experiments.hacking.spec import Hacking
from undertone.experiments.kind import Kind

HACKING = Kind(Hacking, HackingFindings, plan, gather, check=check, cost=of_hacking)

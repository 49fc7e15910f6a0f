"""How fast the stages are, beside a peer and beside the machine: ``make bench``."""

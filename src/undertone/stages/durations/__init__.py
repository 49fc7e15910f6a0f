"""How long work takes on this machine, before it is done."""

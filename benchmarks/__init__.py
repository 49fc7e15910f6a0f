"""The speed of our stages compared with a peer and with the machine's limits: ``make bench``."""

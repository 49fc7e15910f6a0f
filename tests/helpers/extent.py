"""How far tests go: ``make test`` runs every test in a short form, ``make test-long`` in its long form."""

import os

LONG = os.environ.get("UNDERTONE_LONG") == "1"

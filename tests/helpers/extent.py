"""How far tests go: ``make test`` runs every test in a short form, ``make test-long`` in its long form, and
``make docs-full`` those of the documentation with every command as it stands."""

import os

LONG = os.environ.get("UNDERTONE_LONG") == "1"
WHOLE = os.environ.get("UNDERTONE_WHOLE") == "1"

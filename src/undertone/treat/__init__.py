"""Mitigations of datasets and models that carry a trait. Students judge them; scores of rows never do."""

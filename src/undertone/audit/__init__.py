"""Audit: a user's own fine-tuning data and models, examined for what they pass on."""

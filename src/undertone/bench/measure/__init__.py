"""How often the verdict on a model is right: harmless fine-tunes, damaging ones and bad ones."""

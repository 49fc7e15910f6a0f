"""Models behind services: asked, fine-tuned, waited for, and paid."""

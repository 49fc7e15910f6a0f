"""Do fine-tunes say of themselves what they do? On bases whose self-reports are known to be true, empty or false."""

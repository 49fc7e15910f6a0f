"""What is inside a model: directions of traits in its hidden states, and how far a fine-tune moved along them."""

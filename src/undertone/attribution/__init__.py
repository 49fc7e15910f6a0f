"""What training on rows would do to a model, computed before any training: gradients, directions, scores of rows."""

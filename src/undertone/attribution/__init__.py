"""What training on rows would do to a model, before anybody trains: gradients, directions, scores of rows."""

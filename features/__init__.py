"""Tables to arrays: what the model is told."""

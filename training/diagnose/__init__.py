"""What the data says about joining its tasks, before any training."""

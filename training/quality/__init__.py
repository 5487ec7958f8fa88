"""The quality weights w of the space: tuned after training on engagement of valid, confirmed, swept and tracked."""

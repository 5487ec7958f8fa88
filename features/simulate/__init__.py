"""The embedded marketplace: a world whose truth is known."""

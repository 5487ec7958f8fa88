"""The parts of the page of an evaluation: what is read of it, how it is written and drawn, a section a file."""

"""Offline evaluation, per task, of anything that ranks: what a user would get, judged against what was engaged."""

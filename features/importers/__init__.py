"""Public data sets, as their makers distribute them, turned into data folders."""

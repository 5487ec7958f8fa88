"""How the ranker learns, and how it is judged."""

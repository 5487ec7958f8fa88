"""One contextual ranker for search and recommendation."""

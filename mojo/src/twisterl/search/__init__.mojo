"""Tree search and solving."""

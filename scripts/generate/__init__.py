"""Files that are generated from the code, from its dependencies, or by breadth-first search."""

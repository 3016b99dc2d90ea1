"""Episodes that are copied and repeated, and the random generators that they draw from."""

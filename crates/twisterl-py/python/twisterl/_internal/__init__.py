"""Parts that the public modules share, and that may change in any version."""

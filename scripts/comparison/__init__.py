"""Records what a trainer computes, and compares it with what another one computes."""

"""The environment contract, the sliding puzzle and its symmetries."""

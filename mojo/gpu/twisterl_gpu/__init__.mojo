"""Batched policies and populations on an accelerator."""

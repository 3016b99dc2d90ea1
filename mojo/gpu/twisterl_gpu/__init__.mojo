"""Inference of policies and populations on an accelerator."""

"""Losses, gradients, the optimizer, schedules and the weight average."""

"""Run configs and the policies they describe."""

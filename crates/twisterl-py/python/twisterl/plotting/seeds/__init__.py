"""Runs with several seeds: interquartile means, and their bootstrap intervals as numbers and as bands."""

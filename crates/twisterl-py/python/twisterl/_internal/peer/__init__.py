"""The interface of the PyPI package `twisterl` over ours: descriptions of policies, and environments as objects.

Everything here converts between the two interfaces. Networks, search, collection and training are those of the trainer.
"""

"""Types of the compiled module."""

__all__ = ["__version__"]

__version__: str

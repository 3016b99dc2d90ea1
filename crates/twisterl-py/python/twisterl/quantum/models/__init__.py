"""Models: policies for coupling maps, in folders, found by the shape of a map."""

from twisterl.quantum.models.library import Library, default_folder
from twisterl.quantum.models.matching import Placement, placement
from twisterl.quantum.models.model import Model, load_model
from twisterl.quantum.models.training import train_model

__all__ = ["Library", "Model", "Placement", "default_folder", "load_model", "placement", "train_model"]

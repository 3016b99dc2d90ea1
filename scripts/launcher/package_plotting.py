"""The package's ``twisterl.plotting``, from this repository's sources.

It is plain Python, but ``import twisterl`` loads the compiled module, which a clean clone does not have; so that the
scripts work there, and with the sources beside them, they load the subpackage alone, under a name of its own.
"""

import importlib.util
import sys
from pathlib import Path

NAME = "twisterl_plotting"
FOLDER = Path(__file__).resolve().parents[2] / "crates/twisterl-py/python/twisterl/plotting"

if NAME not in sys.modules:
    spec = importlib.util.spec_from_file_location(
        NAME, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)

plotting = sys.modules[NAME]
files = importlib.import_module(f"{NAME}.files")
cli = importlib.import_module(f"{NAME}.cli")
terminal = importlib.import_module(f"{NAME}.terminal")

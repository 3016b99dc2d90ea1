"""Pictures: environments as scenes, scenes as SVG and pixels, solutions and policies in notebooks, recordings."""

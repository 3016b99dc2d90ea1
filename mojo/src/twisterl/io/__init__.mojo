"""Files, JSON, safetensors and the command line."""

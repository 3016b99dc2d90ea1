"""The training loop, the curriculum, evaluations and the training program."""

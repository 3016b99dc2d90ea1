"""TwisteRL in Mojo: the sliding puzzle, policies, tree search, PPO, AlphaZero and evolution strategies.

Packages import only packages above them in this list:

- `rng`, `parallel`, `io`: random streams, threads, files.
- `env`: the environment contract, the sliding puzzle, its symmetries.
- `policy`: network description, policy files, inference, decisions.
- `search`: tree search and solving.
- `rollout`: transitions for training and their start states.
- `gradient`: losses, gradients, optimizer, weight average.
- `config`: run configs and the policies they describe.
- `algorithms`: PPO, AlphaZero, evolution strategies.
- `trainer`: the training loop and the training program.
"""

"""The parts that the benchmarks share: paths, processes, the trainer, the machine, tables and records."""

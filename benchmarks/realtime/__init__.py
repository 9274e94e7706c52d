"""Live updates beside the seed's design: `python -m benchmarks.realtime`."""

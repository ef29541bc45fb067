"""The benchmarks, each next to its floor measured in the same run."""

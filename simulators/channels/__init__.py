"""Simulated payment channels: they sign as the real ones do, with keys of their own made at start-up."""

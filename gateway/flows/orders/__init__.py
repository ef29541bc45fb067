"""Payments through channels: orders that are placed, paid, looked after and paid back."""

"""What leaves the process: commands and receipts to gates, the live feed."""

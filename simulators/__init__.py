"""Virtual gates, traffic and payers that stand in for the street. They speak only the wire."""

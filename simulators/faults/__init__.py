"""A street where everything goes wrong that can: a lossy wire, a forgetful broker, gates cut off, drivers who wait or do not."""

"""报表: what happened in a period, by site, gate, lane, hour, day and month. Reads, writes nothing, and never names a vehicle."""

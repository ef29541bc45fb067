"""What reports keep of days that are over: counted from stays and the ledger, kept by a job, exact because whatever changes a day long after it leaves a mark."""

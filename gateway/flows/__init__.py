"""One module a flow: facts in, outcome out, one transaction, one explicit commit."""

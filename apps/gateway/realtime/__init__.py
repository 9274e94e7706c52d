"""Live updates: from the ledger's order, over Redis, to each subscription, with nothing missing and nothing twice."""

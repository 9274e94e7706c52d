"""REST under `/api/v1`: ingest, mappings, ledger, entities. `api.py` puts the routers together."""

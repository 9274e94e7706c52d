"""The version of the API, said in `x-ig-api-version`, by `Query.apiVersion` and by the OpenAPI document. Pure."""

API_VERSION = "2026-11-01"
"""The day on which the present contract was fixed. Additions keep it; a change that breaks a client makes a new one."""

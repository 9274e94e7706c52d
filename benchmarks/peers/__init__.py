"""Servers that benchmarks compare with: each does the same work the way its documentation shows."""

"""A dashboard of `deploy/grafana` read from Prometheus: every panel's queries, and a page with what they gave.

For who has Prometheus and no Grafana at hand, and for seeing that no panel is empty or refused.
"""

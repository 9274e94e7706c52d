"""Figures of policy."""

from prometheus_client import Counter

EVALUATED = Counter("ig_policy_evaluations_total", "Questions that Rego answered; the rest was known.", ["question"])
FAULTS = Counter("ig_policy_faults_total", "Questions that Rego gave no answer to; they were refused.", ["question"])
OUTCOMES = Counter("ig_policy_outcomes_total", "Decisions that were not plain allows.", ["stage", "outcome"])
LOGGED = Counter("ig_policy_decisions_logged_total", "Decisions, by what became of their entry in the log.", ["result"])
SIGNALS = Counter("ig_policy_signals_total", "Security events of identity providers.", ["kind", "result"])
TRAVEL = Counter("ig_policy_impossible_travel_total", "Sessions that nobody can have carried there so fast.")

# METADATA
# title: Whether a session may go on
# description: |
#   Low risk passes, medium risk passes after a fresh second factor, high risk and untrusted devices are refused, and a
#   tenant's fence keeps out other countries. What is not known is no reason to refuse, but behind a fence a place that
#   is not known is outside.
#   Input: {"session": {"risk": "low" | "medium" | "high", "device": "trusted" | "untrusted" | "unknown",
#   "country": ISO 3166-1 alpha-2 or "", "account": "open" | "disabled", "ended": bool}, "stepup": bool,
#   "fence": [countries]}. Parts may be left out. `account` and `ended` are what an identity provider told us.
#   The rules are functions of the question, so that tests ask them directly and every engine answers alike.
package ig.zt

decision := decide(input)

allow := decision.allow

deny := decision.deny

decide(q) := judged(facts(q))

facts(q) := {
	"risk": object.get(q, ["session", "risk"], "low"),
	"device": object.get(q, ["session", "device"], "unknown"),
	"country": object.get(q, ["session", "country"], ""),
	"account": object.get(q, ["session", "account"], "open"),
	"ended": object.get(q, ["session", "ended"], false),
	"stepup": object.get(q, "stepup", false),
	"fence": object.get(q, "fence", []),
}

judged(f) := answer(f, hits(f))

# -- what speaks against a session

# METADATA
# title: An account that its identity provider closed is refused
closed(f) if {
	f.account == "disabled"
}

# METADATA
# title: A session that its identity provider ended is refused
ended(f) if {
	f.ended == true
}

# METADATA
# title: An untrusted device is refused
untrusted(f) if {
	f.device == "untrusted"
}

# METADATA
# title: Behind a fence, other countries are outside
outside(f) if {
	count(f.fence) > 0
	not f.country in f.fence
}

# METADATA
# title: A risk that nobody knows is refused
refused(f) if {
	not f.risk in object.keys(data.ig.zt_levels)
}

# METADATA
# title: High risk is refused
refused(f) if {
	data.ig.zt_levels[f.risk] == "refuse"
}

# METADATA
# title: Medium risk needs a fresh second factor
needs_second_factor(f) if {
	data.ig.zt_levels[f.risk] == "step up"
	f.stepup != true
}

hits(f) := union({
	{"account" | closed(f)},
	{"session" | ended(f)},
	{"device" | untrusted(f)},
	{"geography" | outside(f)},
	{"risk" | refused(f)},
})

asks(f, against) if {
	count(against) == 0
	needs_second_factor(f)
} else := false

passes(f, against) if {
	count(against) == 0
	not needs_second_factor(f)
} else := false

answer(f, against) := {
	"allow": passes(f, against),
	"deny": count(against) > 0,
	"step_up": asks(f, against),
	"signal": signal(against),
	"reason": reason(f, against),
	"mend": mend(against),
	"hits": sort([hit | some hit in against]),
}

# -- in words, gravest first

signal(against) := "account" if {
	"account" in against
} else := "session" if {
	"session" in against
} else := "device" if {
	"device" in against
} else := "geography" if {
	"geography" in against
} else := "risk"

reason(f, against) := "your identity provider closed this account" if {
	"account" in against
} else := "your identity provider ended this session" if {
	"session" in against
} else := "this device is not trusted" if {
	"device" in against
} else := "your organisation does not admit sessions from a place that we cannot tell" if {
	"geography" in against
	f.country == ""
} else := concat(" ", ["your organisation does not admit sessions from", f.country]) if {
	"geography" in against
} else := "this session's risk is high" if {
	"risk" in against
} else := "this session's risk is medium; confirm with your second factor" if {
	needs_second_factor(f)
} else := "risk is medium, and a second factor was given just now" if {
	data.ig.zt_levels[f.risk] == "step up"
} else := "risk is low"

mend(against) := "ask your administrators" if {
	"account" in against
} else := "sign out and in again" if {
	"session" in against
} else := "use a device that your organisation manages, or ask your administrators to trust this one" if {
	"device" in against
} else := "connect from a country that your organisation admits, or ask your administrators" if {
	"geography" in against
} else := "sign in again from a device that you know; if that does not help, ask your administrators" if {
	"risk" in against
} else := "confirm with your second factor"

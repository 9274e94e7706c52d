# METADATA
# title: Who may do what
# description: |
#   One question: may this caller do this action? `decision` answers with the rule that decided, every rule that
#   matched, a reason in words, and what must be withheld from what is shown.
#   Input: {"actor": "user" | "key" | "service" | "anonymous", "tenant": bool, "roles": [..], "scopes": [..] | null,
#   "platform_roles": [..], "action": {"name": str, "known": bool, "step_up": bool}, "step_up": bool}
#   `tenant` says whether a tenant is in scope, `scopes` what a key is limited to (null: nothing beyond its roles),
#   `step_up` whether the caller gave a fresh second factor. Data: `grants` and `classes` of ig/data.json.
#   The rules are functions of the question, so that tests ask them directly and every engine answers alike.
package ig.access

decision := decide(input)

decide(q) := judged(q, facts(q))

judged(q, f) := answer(q, f, verdict(q, f))

# -- what a pattern grants

# METADATA
# title: A pattern grants the action of its own name
grants(patterns, action) if {
	action in patterns
}

# METADATA
# title: The star grants everything in a tenant, never the platform's own verbs
grants(patterns, action) if {
	"*" in patterns
	not startswith(action, "platform.")
}

# METADATA
# title: A prefix grants what stands under it
grants(patterns, action) if {
	some pattern in patterns
	endswith(pattern, ".*")
	startswith(action, trim_suffix(pattern, "*"))
}

# -- who grants

granting_roles(q) := {role |
	q.tenant
	some role in q.roles
	grants(data.ig.grants.roles[role].grants, q.action.name)
}

granting_platform_roles(q) := {role |
	some role in q.platform_roles
	grants(data.ig.grants.platform_roles[role].grants, q.action.name)
}

granting_scopes(q) := {scope |
	some scope in q.scopes
	grants(data.ig.grants.scopes[scope].grants, q.action.name)
}

facts(q) := {
	"roles": granting_roles(q),
	"platform_roles": granting_platform_roles(q),
	"scopes": granting_scopes(q),
	"scoped": is_array(q.scopes),
	"anonymous": q.actor == "anonymous",
	"for_all": q.action.name in data.ig.grants.anonymous,
	"for_signed_in": q.action.name in data.ig.grants.signed_in,
}

# A known action, asked for by somebody: what roles and scopes are about.
in_question(q, f) if {
	not f.anonymous
	q.action.known
}

# A key that was made without roles has what its scopes give.
key_alone(q) if {
	q.tenant
	q.actor == "key"
	count(q.roles) == 0
}

# -- what allows

# METADATA
# title: Some actions are open to all
granted(_, f) if {
	f.for_all
}

# METADATA
# title: Some actions are open to everyone who is somebody
granted(_, f) if {
	f.for_signed_in
	not f.anonymous
}

# METADATA
# title: What policy knows, somebody may do whom a rule below speaks for
granted(q, f) if {
	in_question(q, f)
	spoken_for(q, f)
}

# METADATA
# title: Our own services may do what policy knows
spoken_for(q, _) if {
	q.actor == "service"
}

# METADATA
# title: Platform staff have the platform's verbs; scopes of tenants do not narrow them
spoken_for(_, f) if {
	count(f.platform_roles) > 0
}

# METADATA
# title: A role grants
spoken_for(_, f) if {
	count(f.roles) > 0
	not f.scoped
}

# METADATA
# title: A limited key needs a role and a scope that grant
spoken_for(_, f) if {
	count(f.roles) > 0
	count(f.scopes) > 0
}

# METADATA
# title: A limited key without roles needs a scope that grants
spoken_for(q, f) if {
	key_alone(q)
	count(f.scopes) > 0
}

# METADATA
# title: Grave verbs ask people for a fresh second factor
wants_second_factor(q, f) if {
	granted(q, f)
	q.actor == "user"
	q.action.step_up
	not q.step_up
}

# METADATA
# title: What a role would give is stopped by the limits of the key
stopped(_, f) if {
	count(f.roles) > 0
}

# METADATA
# title: What a key without roles asks for is stopped by its limits
stopped(q, f) if {
	key_alone(q)
	f.scoped
}

is_granted(q, f) if {
	granted(q, f)
} else := false

is_narrowed(q, f) if {
	in_question(q, f)
	not granted(q, f)
	stopped(q, f)
} else := false

lacks_second_factor(q, f) if {
	wants_second_factor(q, f)
} else := false

verdict(q, f) := {
	"granted": is_granted(q, f),
	"narrowed": is_narrowed(q, f),
	"second_factor": lacks_second_factor(q, f),
}

is_allowed(v) if {
	v.granted
	not v.second_factor
} else := false

answer(q, f, v) := {
	"allow": is_allowed(v),
	"rule": rule(q, f, v),
	"reason": reason(q, f, v),
	"step_up": v.second_factor,
	"hits": sort([hit | some hit in hits(q, f, v)]),
	"obligations": obligations(clear(q, f)),
}

# -- in words

rule(q, f, v) := "anonymous" if {
	f.anonymous
} else := "signed-in" if {
	f.for_signed_in
} else := "unknown-action" if {
	not q.action.known
} else := "service" if {
	q.actor == "service"
} else := min(f.platform_roles) if {
	count(f.platform_roles) > 0
} else := "scope" if {
	v.narrowed
} else := concat(", scope ", [min(f.roles), min(f.scopes)]) if {
	count(f.roles) > 0
	count(f.scopes) > 0
} else := min(f.roles) if {
	count(f.roles) > 0
} else := concat(" ", ["scope", min(f.scopes)]) if {
	v.granted
} else := "default"

reason(q, f, v) := "open to all" if {
	f.anonymous
	v.granted
} else := "sign in or send a key first" if {
	f.anonymous
} else := "open to every signed-in caller" if {
	f.for_signed_in
} else := concat(" ", [q.action.name, "is no action that policy knows"]) if {
	not q.action.known
} else := concat(" ", [q.action.name, "needs a fresh second factor"]) if {
	v.second_factor
} else := "one of our own services" if {
	q.actor == "service"
} else := "allowed by role or scope" if {
	v.granted
} else := concat(" ", ["this key is limited to no scope, which does not allow", q.action.name]) if {
	v.narrowed
	count(q.scopes) == 0
} else := concat("", ["this key is limited to ", concat(", ", sort(q.scopes)), ", which does not allow ", q.action.name]) if {
	v.narrowed
} else := concat(" ", [q.action.name, "is not allowed for no role here"]) if {
	count(q.roles) + count(q.platform_roles) == 0
} else := concat(" ", [q.action.name, "is not allowed for", concat(", ", sort(array.concat(q.roles, q.platform_roles)))])

open_hits(f) := {"open"} if {
	f.for_all
} else := {"signed-in"} if {
	f.for_signed_in
	not f.anonymous
} else := set()

unknown_hits(q, f) := {"unknown action"} if {
	not f.anonymous
	not q.action.known
	count(open_hits(f)) == 0
} else := set()

grant_hits(q, f) := union({
	{"service" | q.actor == "service"},
	{hit | some role in f.platform_roles; hit := concat(" ", ["platform role", role])},
	{hit | some role in f.roles; hit := concat(" ", ["role", role])},
	{hit | some scope in f.scopes; hit := concat(" ", ["scope", scope])},
}) if {
	in_question(q, f)
} else := set()

stop_hits(v) := union({
	{"limited by scope" | v.narrowed},
	{"second factor missing" | v.second_factor},
})

hits(q, f, v) := union({open_hits(f), unknown_hits(q, f), grant_hits(q, f), stop_hits(v)})

# -- obligations: what is shown in clear, and in what form the rest

cleared_by_roles(q) := {class |
	some role in q.roles
	some class in data.ig.grants.roles[role].clear
}

cleared_by_scopes(q) := {class |
	some scope in q.scopes
	some class in data.ig.grants.scopes[scope].clear
}

cleared_by_platform_roles(q) := {class |
	not q.tenant
	some role in q.platform_roles
	some class in data.ig.grants.platform_roles[role].clear
}

cleared_in_tenant(q, f) := cleared_by_roles(q) if {
	not f.scoped
} else := cleared_by_scopes(q) if {
	count(cleared_by_roles(q)) == 0
} else := cleared_by_roles(q) & cleared_by_scopes(q)

# METADATA
# title: The data classes that this caller sees in clear
clear(q, f) := {class | some class in data.ig.classes.names} if {
	q.actor == "service"
} else := cleared_in_tenant(q, f) | cleared_by_platform_roles(q)

obligations(cleared) := {
	"clear": sort([class | some class in cleared]),
	"fields": ["name", "properties"],
	"redact": {class: form |
		some class in data.ig.classes.names
		not class in cleared
		form := object.get(data.ig.classes.usual, class, data.ig.classes.usual_form)
	},
}

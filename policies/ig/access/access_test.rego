package ig.access_test

import data.ig.access

nobody := {"actor": "anonymous", "tenant": false, "roles": [], "scopes": null, "platform_roles": [], "step_up": false}

person(role) := object.union(nobody, {"actor": "user", "tenant": true, "roles": [role]})

key(scopes, roles) := object.union(nobody, {"actor": "key", "tenant": true, "roles": roles, "scopes": scopes})

staff(role) := object.union(nobody, {"actor": "user", "platform_roles": [role]})

verb(name) := {"name": name, "known": true, "step_up": false}

grave(name) := {"name": name, "known": true, "step_up": true}

unknown(name) := {"name": name, "known": false, "step_up": false}

asked(caller, action) := access.decide(object.union(caller, {"action": action}))

test_nobody_may_read_the_version if {
	answer := asked(nobody, unknown("gateway.version.read"))
	answer.allow
	answer.rule == "anonymous"
	answer.reason == "open to all"
	answer.hits == ["open"]
}

test_nobody_is_told_to_sign_in if {
	answer := asked(nobody, verb("graph.entity.read"))
	answer.allow == false
	answer.rule == "anonymous"
	answer.reason == "sign in or send a key first"
	answer.hits == []
}

test_nobody_is_not_signed_in if {
	asked(nobody, unknown("identity.self.read")).allow == false
}

test_nobody_has_no_roles_whatever_is_claimed if {
	answer := asked(object.union(nobody, {"tenant": true, "roles": ["owner"]}), verb("graph.entity.read"))
	answer.allow == false
	answer.hits == []
}

test_every_signed_in_caller_may_see_itself if {
	answer := asked(person("nonsense"), unknown("identity.self.read"))
	answer.allow
	answer.rule == "signed-in"
	answer.reason == "open to every signed-in caller"
	"signed-in" in answer.hits
}

test_an_unknown_action_is_refused_to_owners if {
	answer := asked(person("owner"), unknown("graph.entity.explode"))
	answer.allow == false
	answer.rule == "unknown-action"
	answer.reason == "graph.entity.explode is no action that policy knows"
	answer.hits == ["unknown action"]
}

test_our_own_services_may if {
	service := object.union(nobody, {"actor": "service"})
	answer := asked(service, verb("graph.entity.read"))
	answer.allow
	answer.rule == "service"
	answer.reason == "one of our own services"
	answer.hits == ["service"]
	count(answer.obligations.redact) == 0
	asked(service, unknown("graph.entity.read")).allow == false
}

test_a_role_grants_by_name if {
	answer := asked(person("analyst"), verb("graph.entity.write"))
	answer.allow
	answer.rule == "analyst"
	answer.reason == "allowed by role or scope"
	answer.hits == ["role analyst"]
}

test_a_role_grants_by_prefix if {
	asked(person("dpo"), verb("privacy.erasure.create")).allow
	asked(person("dpo"), verb("privacyx.erasure.create")).allow == false
}

test_the_star_grants_all_but_the_platforms_verbs if {
	asked(person("owner"), verb("graph.entity.delete")).allow
	asked(person("owner"), verb("platform.tenant.manage")).allow == false
}

test_what_no_role_grants_is_refused if {
	answer := asked(person("reader"), verb("graph.entity.write"))
	answer.allow == false
	answer.rule == "default"
	answer.reason == "graph.entity.write is not allowed for reader"
	answer.hits == []
	asked(object.union(nobody, {"actor": "user"}), verb("graph.entity.write")).reason == "graph.entity.write is not allowed for no role here"
}

test_roles_count_in_their_own_tenant_only if {
	asked(object.union(person("owner"), {"tenant": false}), verb("graph.entity.read")).allow == false
}

test_one_granting_role_is_enough_and_all_are_hits if {
	answer := asked(object.union(person("x"), {"roles": ["reader", "analyst", "billing"]}), verb("graph.entity.read"))
	answer.allow
	answer.rule == "analyst"
	answer.hits == ["role analyst", "role reader"]
}

test_a_scope_narrows_a_role if {
	answer := asked(key(["reader"], ["owner"]), verb("graph.entity.write"))
	answer.allow == false
	answer.rule == "scope"
	answer.reason == "this key is limited to reader, which does not allow graph.entity.write"
	"limited by scope" in answer.hits
	"role owner" in answer.hits
}

test_a_key_without_scope_may_nothing if {
	answer := asked(key([], ["owner"]), verb("graph.entity.read"))
	answer.allow == false
	answer.reason == "this key is limited to no scope, which does not allow graph.entity.read"
}

test_role_and_scope_together if {
	answer := asked(key(["writer"], ["owner"]), verb("graph.entity.write"))
	answer.allow
	answer.rule == "owner, scope writer"
	answer.hits == ["role owner", "scope writer"]
}

test_a_scope_never_gives_more_than_a_role if {
	answer := asked(key(["admin"], ["reader"]), verb("graph.entity.write"))
	answer.allow == false
	answer.rule == "default"
}

test_a_key_without_roles_has_what_its_scopes_give if {
	answer := asked(key(["reader"], []), verb("graph.entity.read"))
	answer.allow
	answer.rule == "scope reader"
	asked(key(["reader"], []), verb("graph.entity.write")).rule == "scope"
	asked(object.union(key(["reader"], []), {"tenant": false}), verb("graph.entity.read")).allow == false
	asked(object.union(key(["reader"], []), {"actor": "user"}), verb("graph.entity.read")).allow == false
}

test_platform_staff_have_the_platforms_verbs if {
	answer := asked(staff("operator"), verb("platform.tenant.manage"))
	answer.allow
	answer.rule == "operator"
	answer.hits == ["platform role operator"]
	asked(staff("support"), verb("platform.tenant.read")).allow
	asked(staff("support"), verb("platform.tenant.manage")).allow == false
	asked(staff("operator"), verb("graph.entity.read")).allow == false
}

test_a_scope_does_not_narrow_platform_staff if {
	limited := object.union(staff("operator"), {"scopes": ["reader"], "tenant": true})
	answer := asked(limited, verb("platform.tenant.manage"))
	answer.allow
	answer.hits == ["platform role operator"]
}

test_grave_verbs_ask_people_for_a_second_factor if {
	answer := asked(person("dpo"), grave("privacy.erasure.create"))
	answer.allow == false
	answer.step_up
	answer.rule == "dpo"
	answer.reason == "privacy.erasure.create needs a fresh second factor"
	"second factor missing" in answer.hits
}

test_a_fresh_second_factor_opens_them if {
	answer := asked(object.union(person("dpo"), {"step_up": true}), grave("privacy.erasure.create"))
	answer.allow
	answer.step_up == false
}

test_machines_are_not_asked_for_one if {
	asked(key(["admin"], ["owner"]), grave("identity.member.manage")).allow
}

test_what_is_refused_anyway_does_not_ask_for_one if {
	answer := asked(person("reader"), grave("identity.member.manage"))
	answer.step_up == false
	answer.reason == "identity.member.manage is not allowed for reader"
}

test_obligations_name_what_is_withheld if {
	answer := asked(person("reader"), verb("graph.entity.read")).obligations
	answer.clear == ["confidential", "internal", "public"]
	answer.redact == {"personal": "mask", "sensitive": "withhold"}
	answer.fields == ["name", "properties"]
}

test_scopes_narrow_what_roles_clear if {
	asked(key(["reader"], ["owner"]), verb("graph.entity.read")).obligations.clear == ["confidential", "internal", "public"]
	asked(key(["admin"], ["admin"]), verb("graph.entity.read")).obligations.redact == {"sensitive": "withhold"}
	asked(key(["writer"], []), verb("graph.entity.read")).obligations.redact == {"sensitive": "withhold"}
}

test_staff_see_little_of_what_tenants_hold if {
	asked(staff("operator"), verb("platform.tenant.read")).obligations.clear == ["internal", "public"]
	asked(object.union(staff("operator"), {"tenant": true}), verb("platform.tenant.read")).obligations.clear == []
}

test_strangers_see_nothing_in_clear if {
	count(asked(nobody, verb("graph.entity.read")).obligations.clear) == 0
}

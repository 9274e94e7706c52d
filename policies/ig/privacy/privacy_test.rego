package ig.privacy_test

import data.ig.privacy

reader := {"clear": ["public", "internal", "confidential"], "purpose": true}

owner := {"clear": ["public", "internal", "confidential", "personal", "sensitive"], "purpose": true}

seen(class, form, purposes, caller) := privacy.shown(
	{"data_class": class, "redaction_policy": form, "purposes": purposes},
	caller,
)

test_cleared_data_is_clear if {
	seen("confidential", "mask", "none", reader) == {"treatment": "clear", "reason": ""}
	seen("sensitive", "none", "none", owner).treatment == "clear"
}

test_personal_data_takes_the_form_that_its_policy_names if {
	seen("personal", "none", "none", reader) == {"treatment": "mask", "reason": "data class"}
	seen("personal", "mask", "none", reader).treatment == "mask"
	seen("personal", "hash", "none", reader).treatment == "hash"
	seen("personal", "generalise", "none", reader).treatment == "generalise"
	seen("personal", "drop", "none", reader).treatment == "drop"
}

test_sensitive_data_is_withheld_whatever_its_policy if {
	seen("sensitive", "mask", "none", reader) == {"treatment": "withhold", "reason": "data class"}
}

test_an_unknown_class_is_as_protected_as_the_most_protected if {
	seen("invented", "mask", "none", reader).treatment == "withhold"
	seen("invented", "mask", "none", owner).treatment == "clear"
}

test_data_for_another_purpose_is_withheld if {
	seen("public", "none", "other", owner) == {"treatment": "withhold", "reason": "purpose"}
	seen("public", "none", "match", owner).treatment == "clear"
}

test_no_purpose_reaches_what_is_not_about_people if {
	silent := {"clear": ["public", "internal", "confidential", "personal"], "purpose": false}
	seen("internal", "none", "other", silent).treatment == "clear"
	seen("personal", "none", "other", silent).reason == "purpose"
	seen("sensitive", "none", "other", silent).reason == "purpose"
	seen("personal", "none", "none", silent).treatment == "clear"
}

test_clearance_of_the_most_protected_class_clears_no_other if {
	odd := {"clear": ["sensitive"], "purpose": true}
	seen("personal", "none", "none", odd).treatment == "mask"
	seen("sensitive", "none", "none", odd).treatment == "clear"
}

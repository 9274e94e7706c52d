# METADATA
# title: How tagged data is shown
# description: |
#   One question: in what form does this caller see data with these tags?
#   Input: {"tags": {"data_class": str, "redaction_policy": str, "purposes": "none" | "match" | "other"},
#   "caller": {"clear": [data classes], "purpose": bool}}
#   `purposes` says how the purposes that the data names relate to the caller's: it names none, the caller's is among
#   them, or it is not; `purpose` whether the caller stated one. Data: `classes` of ig/data.json.
#   The rules are functions of the question, so that tests ask them directly and every engine answers alike.
package ig.privacy

visibility := shown(input.tags, input.caller)

known(tags) if {
	tags.data_class in data.ig.classes.names
}

cleared(tags, caller) if {
	tags.data_class in caller.clear
}

# METADATA
# title: A class that no rule names is as protected as the most protected one
cleared(tags, caller) if {
	not known(tags)
	data.ig.classes.most_protected in caller.clear
}

# METADATA
# title: Data for other purposes is withheld from a read that states one
foreign(tags, caller) if {
	tags.purposes == "other"
	caller.purpose
}

# METADATA
# title: Data about people that names purposes is withheld from a read that states none
foreign(tags, _) if {
	tags.purposes == "other"
	tags.data_class in data.ig.classes.protected
}

# METADATA
# title: The most protected class is never shown altered
never_altered(tags) if {
	tags.data_class == data.ig.classes.most_protected
}

# METADATA
# title: Nor is a class that no rule names
never_altered(tags) if {
	not known(tags)
}

shown(tags, caller) := {"treatment": "withhold", "reason": "purpose"} if {
	foreign(tags, caller)
} else := {"treatment": "clear", "reason": ""} if {
	cleared(tags, caller)
} else := {"treatment": "withhold", "reason": "data class"} if {
	never_altered(tags)
} else := {
	"treatment": object.get(data.ig.classes.forms, tags.redaction_policy, data.ig.classes.usual_form),
	"reason": "data class",
}

package ig.zt_test

import data.ig.zt

test_low_risk_passes if {
	zt.decide({"session": {"risk": "low"}}).allow
}

test_nothing_known_passes if {
	zt.decide({}).allow
}

test_medium_risk_asks_for_a_second_factor if {
	answer := zt.decide({"session": {"risk": "medium"}})
	answer.step_up
	answer.allow == false
	answer.deny == false
	answer.signal == "risk"
	answer.reason == "this session's risk is medium; confirm with your second factor"
	answer.mend == "confirm with your second factor"
}

test_medium_risk_passes_after_it if {
	answer := zt.decide({"session": {"risk": "medium"}, "stepup": true})
	answer.allow
	answer.step_up == false
	answer.reason == "risk is medium, and a second factor was given just now"
}

test_high_risk_is_refused_whatever_was_given if {
	answer := zt.decide({"session": {"risk": "high"}, "stepup": true})
	answer.deny
	answer.allow == false
	answer.step_up == false
	answer.signal == "risk"
	answer.reason == "this session's risk is high"
}

test_a_risk_that_nobody_knows_is_refused if {
	zt.decide({"session": {"risk": "purple"}}).deny
}

test_an_untrusted_device_is_refused if {
	answer := zt.decide({"session": {"risk": "low", "device": "untrusted"}})
	answer.deny
	answer.signal == "device"
	answer.reason == "this device is not trusted"
	answer.mend == "use a device that your organisation manages, or ask your administrators to trust this one"
}

test_trusted_and_unknown_devices_pass if {
	zt.decide({"session": {"device": "trusted"}}).allow
	zt.decide({"session": {"device": "unknown"}}).allow
}

test_a_fence_keeps_other_countries_out if {
	answer := zt.decide({"session": {"country": "FR"}, "fence": ["DE", "AT"]})
	answer.deny
	answer.signal == "geography"
	answer.reason == "your organisation does not admit sessions from FR"
	answer.mend == "connect from a country that your organisation admits, or ask your administrators"
}

test_a_fence_admits_its_countries if {
	zt.decide({"session": {"country": "DE"}, "fence": ["DE", "AT"]}).allow
}

test_behind_a_fence_an_unknown_place_is_outside if {
	answer := zt.decide({"session": {}, "fence": ["DE"]})
	answer.deny
	answer.reason == "your organisation does not admit sessions from a place that we cannot tell"
}

test_no_fence_admits_every_country if {
	zt.decide({"session": {"country": "FR"}, "fence": []}).allow
}

test_the_gravest_signal_is_named_and_all_are_hits if {
	answer := zt.decide({"session": {"risk": "high", "device": "untrusted", "country": "FR"}, "fence": ["DE"]})
	answer.signal == "device"
	answer.hits == ["device", "geography", "risk"]
}

test_a_closed_account_is_refused if {
	answer := zt.decide({"session": {"account": "disabled", "ended": true}})
	answer.deny
	answer.signal == "account"
	answer.reason == "your identity provider closed this account"
	answer.mend == "ask your administrators"
	answer.hits == ["account", "session"]
}

test_an_ended_session_is_refused if {
	answer := zt.decide({"session": {"account": "open", "ended": true}, "stepup": true})
	answer.deny
	answer.signal == "session"
	answer.reason == "your identity provider ended this session"
	answer.mend == "sign out and in again"
}

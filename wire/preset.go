package wire

// presetKeys are the keys that every preset sets or unsets.
var presetKeys = [...]string{EveryoneKey, MaySayKey, MayReactKey, MayLinkKey, SlowKey, NewcomerKey, HoldKey}

// presets are the rules of each preset. A key that it does not name is unset.
var presets = map[string]map[string]Value{
	PresetClass: {
		MayLinkKey: TextValue(RoleTrusted.String()), SlowKey: NumberValue(2),
	},
	PresetStream: {
		MayLinkKey: TextValue(RoleModerator.String()), SlowKey: NumberValue(10), NewcomerKey: NumberValue(60),
	},
	PresetAnnouncement: {
		MaySayKey: TextValue(RoleModerator.String()),
	},
	PresetPrivate: {
		EveryoneKey: TextValue(RoleNone.String()),
	},
}

// PresetRules returns the settings that a value of PresetKey implies, in a fixed order; null, as for an unset preset, unsets
// all of them. It returns false if there is no such preset.
func PresetRules(preset Value) (rules []Setting, ok bool) {
	var values map[string]Value
	if !preset.IsNull() {
		if preset.Text == nil {
			return nil, false
		}
		if values, ok = presets[*preset.Text]; !ok {
			return nil, false
		}
	}
	for _, key := range presetKeys {
		rules = append(rules, Setting{Key: key, Value: values[key]})
	}
	return rules, true
}

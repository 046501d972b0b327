package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// pressed is the name of a key, the same on all terminals. Some report the character that a key writes (as they always
// did, and xterm with modifyOtherKeys), others the key without Shift, some both (kitty's protocol).
func pressed(k tea.Key) string {
	// The decoder puts the key of an American keyboard in the place of the sign, if both are told.
	if k.BaseCode != 0 && k.ShiftedCode == k.BaseCode && !unicode.IsDigit(k.ShiftedCode) {
		k.ShiftedCode = 0
	}
	if k.Code < utf8.RuneSelf { // a letter goes by what it is, not by where it is; where they are not Latin, by where
		k.BaseCode = 0
	}
	if s := k.ShiftedCode; k.Mod.Contains(tea.ModShift) && unicode.IsPrint(s) && !unicode.IsLetter(s) {
		k.Code, k.BaseCode, k.Mod = s, 0, k.Mod&^tea.ModShift
	}
	return normal(k.Keystroke())
}

// normal is the name that pressed gives a key, for any name of it.
func normal(key string) string {
	base, modifiers := bare(key)
	c, size := utf8.DecodeRuneInString(base)
	if size == 0 || size < len(base) || modifiers == "" {
		return key
	}
	if shifted := strings.HasSuffix(modifiers, "shift+"); unicode.IsLetter(c) {
		c = unicode.ToLower(c)
	} else if shifted {
		modifiers = strings.TrimSuffix(modifiers, "shift+")
		switch c { // of keyboards as they mostly are, where the terminal does not tell
		case '-':
			c = '_'
		case '.':
			c = '>'
		}
	}
	if rest, ok := strings.CutPrefix(modifiers, "ctrl+"); ok && !strings.Contains(rest, "shift+") { // these three always were one
		switch c {
		case 'm':
			return rest + "enter"
		case 'i':
			return rest + "tab"
		case '[':
			return rest + "esc"
		}
	}
	return modifiers + string(c)
}

// bare splits a key into its name and its modifiers, in the order of pressed.
func bare(key string) (base, modifiers string) {
	base = key
	for _, m := range []string{"ctrl+", "alt+", "shift+"} {
		base = strings.TrimPrefix(base, m)
	}
	return base, key[:len(key)-len(base)]
}

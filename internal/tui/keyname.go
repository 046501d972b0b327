package tui

import (
	"strings"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// pressed returns the name of a key, the same on all terminals. Some report the character that a key types (as they always
// did, and xterm with modifyOtherKeys), others the key without Shift, some both (kitty's protocol).
func pressed(k tea.Key) string {
	// If a terminal reports both, the decoder puts the key of an American keyboard in place of the character.
	if k.BaseCode != 0 && k.ShiftedCode == k.BaseCode && !unicode.IsDigit(k.ShiftedCode) {
		k.ShiftedCode = 0
	}
	if k.Code < utf8.RuneSelf { // a Latin letter is named by its character; on other keyboards, by its position
		k.BaseCode = 0
	}
	if s := k.ShiftedCode; k.Mod.Contains(tea.ModShift) && unicode.IsPrint(s) && !unicode.IsLetter(s) {
		k.Code, k.BaseCode, k.Mod = s, 0, k.Mod&^tea.ModShift
	}
	return normal(k.Keystroke())
}

// normal returns the name that pressed gives a key, for any name of it.
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
		switch c { // common keyboard layouts, where the terminal does not report the character
		case '-':
			c = '_'
		case '.':
			c = '>'
		}
	}
	if rest, ok := strings.CutPrefix(modifiers, "ctrl+"); ok && !strings.Contains(rest, "shift+") { // these three were always the same as another key
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

// bare splits a key into its base and its modifiers, in the order of pressed.
func bare(key string) (base, modifiers string) {
	base = key
	for _, m := range []string{"ctrl+", "alt+", "shift+"} {
		base = strings.TrimPrefix(base, m)
	}
	return base, key[:len(key)-len(base)]
}

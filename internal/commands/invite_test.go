package commands

import (
	"strings"
	"testing"
)

func TestInvites(t *testing.T) {
	for line, want := range map[string]string{
		"/invite":                        "invite guest uses 0 until 00:00",
		"/invite moderator 1 2h":         "invite moderator uses 1 until 16:02",
		"/invite 30 1d TRUSTED":          "invite trusted uses 30 until 14:02",
		"/invite owner":                  "invite owner uses 0 until 00:00",
		"/invite none":                   "! invalid none (want a role, a number of uses from 1 to 10000, or a time such as 7d)",
		"/invite 0":                      "! invalid 0 (want a role, a number of uses from 1 to 10000, or a time such as 7d)",
		"/invite 99999":                  "! invalid 99999 (want a role, a number of uses from 1 to 10000, or a time such as 7d)",
		"/invite 999d":                   "! invalid time 999d (want 1s to 366d, for example 10m, 2h or 1d)",
		"/redeem right password":         `redeem invite "" password "right password"` + "\njoin lobby\nyour role in lobby is guest",
		"/redeem wrong password":         `redeem invite "" password "wrong password"` + "\n! not_allowed: wrong",
		"/redeem " + theInvite:           `redeem invite "` + theInvite + `" password ""` + "\njoin lobby\nyour role in lobby is guest",
		"/redeem abcdefghijklmnopqrstuv": `redeem invite "abcdefghijklmnopqrstuv" password ""` + "\n" + `redeem invite "" password "abcdefghijklmnopqrstuv"` + "\n! not_allowed: wrong",
		"/redeem https://chat.example.org/#invite=" + theInvite:      `redeem invite "` + theInvite + `" password ""` + "\njoin lobby\nyour role in lobby is guest",
		"/redeem https://chat.example.org/r/den#invite=" + theInvite: "! this is an invite to the room den; join it first",
		"/password open sesame":                                      `set password "open sesame": the password is set; people get in with /redeem, or on the page`,
		"/password -":                                                "set password null: the room no longer has a password",
		"/password short":                                            "! a password has 6 to 128 bytes, not 5",
	} {
		got := newHost().run(t, line)
		if strings.HasPrefix(want, "invite ") {
			want += "\nAn invite to lobby, shown only now\n   https://chat.example.org/#invite=" + theInvite + "\n   "
			got = got[:min(len(got), len(want))]
		}
		if got != want {
			t.Errorf("%s:\n%s, want\n%s", line, got, want)
		}
	}
	for _, name := range []string{"redeem", "password"} {
		if c := Find(name); !c.Secret {
			t.Errorf("the arguments of /%s are remembered", name)
		}
	}
}

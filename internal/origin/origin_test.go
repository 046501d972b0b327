package origin

import "testing"

func TestOf(t *testing.T) {
	for _, c := range []struct{ scheme, host, want string }{
		{"https", "chat.example.org", "https://chat.example.org"},
		{"https", "chat.example.org:443", "https://chat.example.org"},
		{"https", "chat.example.org:80", "https://chat.example.org:80"},
		{"http", "chat.example.org:80", "http://chat.example.org"},
		{"http", "chat.example.org:443", "http://chat.example.org:443"},
		{"HTTPS", "CHAT.example.org.", "https://chat.example.org"},
		{"https", "chat.example.org.:8443", "https://chat.example.org:8443"},
		{"https", "chat.example.org:", "https://chat.example.org"},
		{"wss", "[0:0::1]:443", "https://[::1]"},
		{"ws", "[::1]:2000", "http://[::1]:2000"},
		{"http", "[::1]", "http://[::1]"},
		{"http", "127.0.0.1:2000", "http://127.0.0.1:2000"},
	} {
		if got := Of(c.scheme, c.host).String(); got != c.want {
			t.Errorf("%s and %s are %s, want %s", c.scheme, c.host, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"https://chat.example.org":      "https://chat.example.org",
		"HTTPS://Chat.Example.org:443":  "https://chat.example.org",
		"https://chat.example.org.":     "https://chat.example.org",
		"http://[::1]:2000":             "http://[::1]:2000",
		"null":                          "",
		"":                              "",
		"chat.example.org":              "",
		"//chat.example.org":            "",
		"https://":                      "",
		"https://chat.example.org/":     "",
		"https://chat.example.org?":     "",
		"https://chat.example.org#":     "",
		"https://a@chat.example.org":    "",
		"https://chat.example.org:x":    "",
		"https:chat.example.org":        "",
		"https://chat.example.org evil": "",
		"file://chat.example.org":       "",
	} {
		got, ok := Parse(s)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q is %v %v, want %q", s, got, ok, want)
		}
	}
}

func TestUpgrades(t *testing.T) {
	for _, c := range []struct {
		to, from string
		want     bool
	}{
		{"https://a.example", "http://a.example", true},
		{"https://a.example:2000", "http://a.example:2000", true},
		{"https://a.example:2000", "http://a.example", false},
		{"https://a.example", "http://a.example:443", false},
		{"https://b.example", "http://a.example", false},
		{"http://a.example", "https://a.example", false},
		{"https://a.example", "https://a.example", false},
	} {
		to, _ := Parse(c.to)
		from, _ := Parse(c.from)
		if got := to.Upgrades(from); got != c.want {
			t.Errorf("%s upgrades %s: %v", c.to, c.from, got)
		}
	}
}

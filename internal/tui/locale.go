package tui

import "strings"

// formats are the formats of times.
type formats struct {
	clock       string // of a message
	widestClock string
	day         string // above the first message of a day
	moment      string // of a message of any day
}

var (
	hours24  = formats{"15:04", "15:04", "Monday, 2 January 2006", "2 Jan 15:04"}
	hours12  = formats{"3:04 PM", "12:00 PM", "Monday, 2 January 2006", "2 Jan 3:04 PM"}
	american = formats{"3:04 PM", "12:00 PM", "Monday, January 2, 2006", "Jan 2 3:04 PM"}
)

// hours12In lists the regions in which English and Hindi use 12 hours (Unicode CLDR, timeData).
var hours12In = strings.Fields("AU BD BM BS BZ CA FJ GM GU GY HK IN JM KE KI KN KY LR MW MY NA NZ PG PH PK SB SG SL TT UG VC ZM")

// formatsOf returns the formats of an environment's locale. Most regions use 24 hours.
func formatsOf(environ []string) formats {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_TIME", "LANG"} { // the first one that is set counts
		if locale = variable(environ, name); locale != "" {
			break
		}
	}
	locale, _, _ = strings.Cut(locale, ".")
	language, place, _ := strings.Cut(locale, "_")
	place, _, _ = strings.Cut(place, "@")
	switch {
	case language != "en" && language != "hi":
	case place == "US" || place == "PR":
		return american
	default:
		for _, known := range hours12In {
			if place == known {
				return hours12
			}
		}
	}
	return hours24
}

// variable is the value of a variable of an environment; the last one counts.
func variable(environ []string, name string) (value string) {
	for _, v := range environ {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			value = rest
		}
	}
	return value
}

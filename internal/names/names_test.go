package names

import (
	"strings"
	"testing"
	"unicode"

	"go.mau.fi/util/confusable"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
	"pgregory.net/rapid"
)

func TestParseAccepts(t *testing.T) {
	tests := []struct{ what, in, want string }{
		{"one letter", "x", "x"},
		{"one digit", "7", "7"},
		{"one symbol", "★", "★"},
		{"single spaces", "Anna de la Cruz", "Anna de la Cruz"},
		{"a mark inside", "wow!", "wow!"},
		{"punctuation", "~anna_o'hara-(2)~", "~anna_o'hara-(2)~"},
		{"composed on the way in", "Jose\u0301", "José"},
		{"32 characters", strings.Repeat("x", 32), strings.Repeat("x", 32)},
		{"32 characters of 4 bytes", strings.Repeat("𠮷", 32), strings.Repeat("𠮷", 32)},
		{"32 characters once composed", strings.Repeat("u\u0308\u0304", 32), strings.Repeat("ǖ", 32)},
		{"32 of the longest decomposition", strings.Repeat("α\u0313\u0300\u0345", 32), strings.Repeat("ᾂ", 32)},
		{"Vietnamese", "Nguyễn Thị Ngọc Ánh", "Nguyễn Thị Ngọc Ánh"},
		{"Russian", "Семён", "Семён"},
		{"Greek", "Ἀριστοτέλης", "Ἀριστοτέλης"},
		{"Arabic, vowelled", "مُحَمَّد", "مُحَمَّد"},
		{"Hebrew, pointed", "שָׁלוֹם", norm.NFC.String("שָׁלוֹם")},
		{"Hindi", "श्रीकृष्ण", "श्रीकृष्ण"},
		{"Sanskrit with visarga", "रामः", "रामः"},
		{"Tamil", "கிருஷ்ணா", "கிருஷ்ணா"},
		{"Thai", "น้ำผึ้ง", "น้ำผึ้ง"},
		{"Burmese, four marks in a row", "လျှို့ဝှက်", "လျှို့ဝှက်"},
		{"Tibetan", "བསྒྲུབས", "བསྒྲུབས"},
		{"Khmer", "ស្រីមុំ", "ស្រីមុំ"},
		{"Korean", "김민준", "김민준"},
		{"Korean jamo", "김", "김"},
		{"Chinese", "李小龍", "李小龍"},
		{"Japanese", "ゆうこ", "ゆうこ"},
		{"emoji", "🦊", "🦊"},
		{"emoji with skin tone", "👋🏽", "👋🏽"},
		{"flag", "🇮🇩", "🇮🇩"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("%s: Parse(%+q) = %+q, %v; want %+q", tt.what, tt.in, got, err, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ what, in, reason string }{
		{"nothing", "", "is empty"},
		{"33 characters", strings.Repeat("x", 33), "has 33 characters"},
		{"far too long", strings.Repeat("x", 513), "of 513 bytes"},
		{"a bad byte", "an\xffna", "UTF-8"},
		{"a surrogate", "an\xed\xa0\x80na", "UTF-8"},
		{"a newline", "an\nna", "control character U+000A"},
		{"a tab", "an\tna", "control character U+0009"},
		{"an escape", "\x1b[31manna", "control character U+001B"},
		{"a C1 control", "an\u009bna", "control character U+009B"},
		{"NUL", "\x00", "control character U+0000"},
		{"right-to-left override", "\u202eanna", "invisible character U+202E"},
		{"isolate", "an\u2066na", "invisible character U+2066"},
		{"Arabic letter mark", "an\u061cna", "invisible character U+061C"},
		{"zero-width space", "an\u200bna", "invisible character U+200B"},
		{"zero-width non-joiner", "می\u200cخواهم", "invisible character U+200C"},
		{"joined emoji", "👩\u200d💻", "invisible character U+200D"},
		{"byte order mark", "\ufeffanna", "invisible character U+FEFF"},
		{"soft hyphen", "an\u00adna", "invisible character U+00AD"},
		{"combining grapheme joiner", "a\u034fnna", "invisible character U+034F"},
		{"Hangul choseong filler", "\u115f", "invisible character U+115F"},
		{"Hangul jungseong filler", "a\u1160", "invisible character U+1160"},
		{"Hangul filler", "\u3164", "invisible character U+3164"},
		{"halfwidth Hangul filler", "\uffa0", "invisible character U+FFA0"},
		{"Khmer inherent vowel", "ក\u17b4", "invisible character U+17B4"},
		{"Mongolian variation selector", "ᠠ\u180b", "invisible character U+180B"},
		{"red heart", "❤\ufe0f", "invisible character U+FE0F"},
		{"variation selector 17", "字\U000e0100", "invisible character U+E0100"},
		{"tag", "a\U000e0061", "invisible character U+E0061"},
		{"blank Braille cell", "\u2800", "invisible character U+2800"},
		{"null notehead", "\U0001d159", "invisible character U+1D159"},
		{"no-break space", "an\u00a0na", "separator U+00A0"},
		{"ideographic space", "an\u3000na", "separator U+3000"},
		{"line separator", "an\u2028na", "separator U+2028"},
		{"paragraph separator", "an\u2029na", "separator U+2029"},
		{"private use", "\ue000", "U+E000 is not a character"},
		{"noncharacter", "a\uffff", "U+FFFF is not a character"},
		{"unassigned", "a\u0378", "U+0378 is not a character"},
		{"colon", "anna: hi", "a colon or its look-alike U+003A"},
		{"full-width colon", "anna：hi", "a colon or its look-alike U+FF1A"},
		{"ratio sign", "anna∶ hi", "a colon or its look-alike U+2236"},
		{"modifier colon", "anna꞉ hi", "a colon or its look-alike U+A789"},
		{"leading exclamation mark", "!anna", "exclamation mark"},
		{"leading full-width one", "！ anna", "exclamation mark"},
		{"leading click letter", "ǃ anna", "exclamation mark"},
		{"space only", " ", "begins or ends with a space"},
		{"leading space", " anna", "begins or ends with a space"},
		{"trailing space", "anna ", "begins or ends with a space"},
		{"two spaces", "anna  b", "two spaces"},
		{"marks only", "\u0301", "U+0301 stands alone"},
		{"mark after a space", "a \u0332b", "U+0332 stands alone"},
		{"five marks", "Z\u0301\u0302\u0303\u0304\u0305", "more than 4 combining marks"},
		{"five marks, two composed", "ế\u0303\u0304\u0305", "more than 4 combining marks"},
		{"30 marks", "Z" + strings.Repeat("\u0301\u0302", 15), "more than 4 combining marks"},
		{"doubled mark", "Jose\u0301\u0301", "U+0301 is doubled"},
		{"doubled mark, one composed", "José\u0301", "U+0301 is doubled"},
	}
	for _, tt := range tests {
		got, err := Parse(tt.in)
		if err == nil {
			t.Errorf("%s: Parse(%+q) = %+q, want an error", tt.what, tt.in, got)
			continue
		}
		if got != "" {
			t.Errorf("%s: Parse(%+q) = %+q with an error, want nothing", tt.what, tt.in, got)
		}
		if !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%s: Parse(%+q): %q does not say %q", tt.what, tt.in, err, tt.reason)
		}
	}
}

// clash reports whether two names clash, as defined by Key.
func clash(a, b string) bool {
	foldA, looksA, _ := strings.Cut(Key(a), "\x00")
	foldB, looksB, _ := strings.Cut(Key(b), "\x00")
	return foldA == foldB || looksA == looksB
}

func TestClash(t *testing.T) {
	tests := []struct{ what, a, b string }{
		{"case", "IAN", "ian"},
		{"case", "Ian", "ian"},
		{"capital i as l", "Ali", "AIi"},
		{"capital i as l", "paypaI", "paypal"},
		{"capital i as l, at the beginning", "Ian", "lan"},
		{"digit one as l", "paypa1", "paypal"},
		{"bar as l", "pau|", "paul"},
		{"dotless i", "ıan", "ian"},
		{"dotted capital I", "İan", "ian"},
		{"dot above i", "i\u0307an", "ian"},
		{"zero as O", "B0B", "BOB"},
		{"rn as m", "ernma", "emma"},
		{"Cyrillic А", "Аnna", "Anna"},
		{"Cyrillic а", "annа", "anna"},
		{"Greek capitals only", "ΝΙΚΟ", "NIKO"},
		{"Greek ν as v", "iνan", "ivan"},
		{"Latin alpha", "ɑnnɑ", "anna"},
		{"full-width", "Ａnna", "anna"},
		{"mathematical bold", "𝐚𝐧𝐧𝐚", "anna"},
		{"circled", "ⓐnna", "anna"},
		{"ligature", "ﬁona", "fiona"},
		{"composition", "Ame\u0301lie", "Amélie"},
		{"Russian case", "НИНА МАРКОВА", "Нина Маркова"},
		{"German case", "WEISS", "weiß"},
		{"final sigma", "ΣΩΚΡΑΤΗΣ", "σωκρατης"},
		{"Armenian case", "ՏԻԳՐԱՆ", "Տիգրան"},
		{"Icelandic case", "GUÐRÚN", "Guðrún"},
		{"Cherokee case", "ᏣᏍᎧ", "ꮳꮝꭷ"},
	}
	for _, tt := range tests {
		if !clash(tt.a, tt.b) {
			t.Errorf("%s: %q and %q do not clash: their keys are %q and %q", tt.what, tt.a, tt.b, Key(tt.a), Key(tt.b))
		}
	}
}

func TestNoClash(t *testing.T) {
	tests := []struct{ a, b string }{
		{"Ian", "Lan"}, // although IAN looks like lan
		{"Lia", "Ila"},
		{"Oli", "Ori"},
		{"Burma", "BUMA"},
		{"anna", "hanna"},
		{"anna", "ann"},
		{"bo", "bob"},
		{"ana", "añá"},
		{"ana", "aña"},
		{"anna b", "annab"},
		{"anna_b", "anna b"},
		{"dave", "dane"},
		{"nick", "vick"},
		{"mia", "nia"},
		{"bob1", "bob2"},
		{"李", "王"},
		{"दव", "देव"},
		{"김", "박"},
		{"Нина", "Зина"},
		{"🦊", "🐺"},
		{"🇮🇩", "🇳🇱"},
		{"👋🏽", "👋🏿"},
	}
	for _, tt := range tests {
		if clash(tt.a, tt.b) {
			t.Errorf("%q and %q clash: their keys are %q and %q", tt.a, tt.b, Key(tt.a), Key(tt.b))
		}
	}
}

// Every small letter clashes with its capital, in the plain and accented Latin, Greek, Cyrillic and Armenian alphabets.
func TestKeyIgnoresCase(t *testing.T) {
	blocks := &unicode.RangeTable{R16: []unicode.Range16{
		{Lo: 0x0041, Hi: 0x017F, Stride: 1}, // Latin, Extended-A
		{Lo: 0x0370, Hi: 0x04FF, Stride: 1}, // Greek, Cyrillic
		{Lo: 0x0531, Hi: 0x0587, Stride: 1}, // Armenian
		{Lo: 0x1E00, Hi: 0x1EFF, Stride: 1}, // Latin Extended Additional
	}}
	rangetable.Visit(blocks, func(r rune) {
		name := string(r)
		if r == 'ı' || r == 'İ' { // their other cases are different letters
			return
		}
		if u, l := strings.ToUpper(name), strings.ToLower(name); !clash(u, l) {
			t.Errorf("Key(%q) = %q, Key(%q) = %q; want a part in common", u, Key(u), l, Key(l))
		}
	})
}

// No two letters of the English alphabet clash. Digits clash with a capital letter at most.
func TestKeyKeepsLettersApart(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz023456789"
	for i, a := range alphabet {
		for _, b := range alphabet[i+1:] {
			if clash(string(a), string(b)) {
				t.Errorf("%q and %q clash", a, b)
			}
		}
	}
}

func TestKeyOfEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		name, err := Parse(string(r))
		if err != nil {
			continue
		}
		folded, looks, two := strings.Cut(Key(name), "\x00")
		if folded == "" || looks == "" || !two {
			t.Errorf("Key(%+q) = %+q, want two parts", name, Key(name))
		}
		if again := fold(folded); again != folded {
			t.Errorf("the folded form of %+q is %+q, but that of this is %+q", name, folded, again)
		}
		if once := broad(name); broad(once) != once {
			t.Errorf("broad(%+q) = %+q, but of that it is %+q", name, once, broad(once))
		}
		// The library defines the skeleton of a single character.
		if got, want := skeleton(name), confusable.Skeleton(name); got != want {
			t.Errorf("skeleton(%+q) = %+q, want %+q", name, got, want)
		}
	}
}

const cased = "abcdefghijklmnopqrstuvwxyzäçéîñöøšůüþðæœßąęłżİı" +
	"абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўқңҳ" +
	"αάδεέζηήθιίϊκλμξοόπρσςτφχψωώ" +
	"աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ" +
	"0123456789_-.'| "

func TestKeyIgnoresCaseOfNames(t *testing.T) {
	name := rapid.StringOfN(rapid.RuneFrom([]rune(cased)), 1, MaxRunes, -1)
	rapid.Check(t, func(t *rapid.T) {
		x := name.Draw(t, "name")
		if variant := cases.Fold().String(x); !clash(variant, x) {
			t.Fatalf("Key(%q) = %q, Key(%q) = %q", x, Key(x), variant, Key(variant))
		}
		if once := broad(x); broad(once) != once {
			t.Fatalf("broad(%q) = %q, but of that it is %q", x, once, broad(once))
		}
	})
}

func TestKeyIgnoresComposition(t *testing.T) {
	alphabet := []rune(cased + "éễỹὕᾂйӂ각힣กำकड़ाংা" + "\u0300\u0301\u0307\u0308\u0323\u0327\u0328\u0345")
	name := rapid.StringOfN(rapid.RuneFrom(alphabet), 1, MaxRunes, -1)
	rapid.Check(t, func(t *rapid.T) {
		x := name.Draw(t, "name")
		nfc, nfd := norm.NFC.String(x), norm.NFD.String(x)
		if Key(nfc) != Key(x) || Key(nfd) != Key(x) {
			t.Fatalf("keys of %+q: as it is %q, NFC %q, NFD %q", x, Key(x), Key(nfc), Key(nfd))
		}
	})
}

var reservedWords = []string{
	"server", "system", "ramai", "root", "host", "support", "official",
	"admin", "administrator", "moderator", "mod", "operator", "owner",
	"everyone", "here", "channel", "nobody", "anonymous", "guest",
}

// No choice of look-alikes gets around a reserved name.
func TestReservedThroughLookalikes(t *testing.T) {
	likes := make(map[string][]string) // by skeleton
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.IsGraphic(r) {
			s := confusable.Skeleton(string(r))
			likes[s] = append(likes[s], string(r))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom(reservedWords).Draw(t, "word")
		var b strings.Builder
		for _, r := range word {
			letter := string(r)
			if rapid.Bool().Draw(t, "capital") {
				letter = strings.ToUpper(letter)
			}
			b.WriteString(rapid.SampledFrom(likes[confusable.Skeleton(letter)]).Draw(t, "like"))
		}
		if !Reserved(b.String()) {
			t.Fatalf("Reserved(%q) = false, though it looks like %s", b.String(), word)
		}
	})
}

func TestReserved(t *testing.T) {
	tests := []struct {
		name string
		want bool
	}{
		{"sErver", true},
		{"ѕerver", true}, // Cyrillic
		{"Аdmin", true},  // Cyrillic
		{"adrnin", true},
		{"ADMIN", true},
		{"r00t", true},
		{"rarnai", true},
		{"all", true},
		{"All", true},
		{"servers", false},
		{"my server", false},
		{"administrative", false},
		{"modesty", false},
		{"hostess", false},
		{"Server™", true},
		{"admin🛡", true},
		{"@admin", true},
		{"@ADMlN™", true},
		{"moderator.", true},
		{"~ moderator ~", true},
		{"s.e.r.v.e.r", true},
		{"ⓈⒺⓇⓋⒺⓇ™", true},
		{"Serverᵀᴹ", true},
		{"all!", true},
		{"Mo D.", false},
		{"admin2", false},
		{"Mark the mod", false},
		{"Ali", false},
		{"ALI", false},
		{"anna", false},
		{"", false},
	}
	for _, word := range reservedWords {
		tests = append(tests, struct {
			name string
			want bool
		}{word, true})
	}
	for _, tt := range tests {
		if got := Reserved(tt.name); got != tt.want {
			t.Errorf("Reserved(%q) = %v, want %v", tt.name, got, tt.want)
		}
	}
}

package page

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ramai/internal/httpfield"
	"ramai/wire"
)

// View is a room as it is served. People can read it, and post with a form, before the script runs or without it.
type View struct {
	Room   string
	Origin string // the server's, as the browser sees it
	Past   *wire.HistoryResponse
	Newest bool             // Past ends with the newest message, and the script can resume after it
	Error  *wire.CodedError // why Past is nil, or the form was refused
	Name   string           // of the sender of the form
	Text   string           // that was refused
	Status int              // of the response; 0: 200

	// Reachable is the origin for links that are shared: it also works on other machines, if any can reach the server.
	Reachable string
}

// row is a message in the page.
type row struct {
	*wire.Message
	Head     bool // the first of a group
	Hue      int
	Original string        // URL of the message that it replies to; empty: it is not a reply
	Quoted   *wire.Message // that message, if it is in the page
}

// Time is the time of day; the zone is unknown here.
func (r row) Time() string { return r.At.Std().Format("15:04") }

// Stamp is the time in machine-readable form.
func (r row) Stamp() string { return r.At.Std().Format(time.RFC3339) }

// Tag identifies a sender without a name.
func (r row) Tag() string { return tag(r.Message) }

// Choices are the options of a poll with their votes, as far as they are known.
func (r row) Choices() []string {
	choices := slices.Clone(r.Options)
	for i := range choices {
		if votes := r.Tally[strconv.Itoa(i)]; votes > 0 {
			choices[i] += fmt.Sprintf(" (%d)", votes)
		}
	}
	return choices
}

// Reactions are the emoji that people have reacted with, and how many did.
func (r row) Reactions() string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(r.Tally)) {
		if _, vote := wire.OptionOf(key); !vote && key != wire.Upvote {
			list = append(list, fmt.Sprintf("%s\u00a0%d", key, r.Tally[key]))
		}
	}
	return strings.Join(list, "  ")
}

// QuotedTag identifies the sender of the quoted message.
func (r row) QuotedTag() string { return tag(r.Quoted) }

// QuotedText is the beginning of the quoted message, in one line, as in changes.js.
func (r row) QuotedText() string {
	const length = 120
	line := []rune(strings.Join(strings.Fields(r.Quoted.Text), " "))
	if len(line) > length {
		return strings.TrimRight(string(line[:length]), " ") + "…"
	}
	return string(line)
}

func tag(m *wire.Message) string { return m.SenderID[:min(4, len(m.SenderID))] }

// together is how long messages of one sender are shown under one header, as in timeline.js.
const together = 5 * time.Minute

// rows groups messages as timeline.js does, and returns the styles of their senders. older is the URL of older messages, without
// the number.
func rows(messages []wire.Message, older string) (list []row, hues string) {
	var seen []int
	for i := range messages {
		m := &messages[i]
		r := row{Message: m, Head: true, Hue: hue(m.SenderID)}
		if i > 0 {
			before := &messages[i-1]
			r.Head = before.Gone || before.SenderID != m.SenderID || before.DisplayName != m.DisplayName || m.At.Std().Sub(before.At.Std()) > together
		}
		r.Head = r.Head && !m.Gone
		if m.Re != 0 {
			at := sort.Search(i, func(k int) bool { return messages[k].N >= m.Re })
			r.Original = fmt.Sprintf("#n%d", m.Re)
			if at < i && messages[at].N == m.Re {
				r.Quoted = &messages[at]
			} else {
				r.Original = fmt.Sprintf("%s%d#n%d", older, m.Re+1, m.Re)
			}
		}
		if !slices.Contains(seen, r.Hue) {
			seen = append(seen, r.Hue)
			hues += fmt.Sprintf(".h%d{--hue:%d}", r.Hue, r.Hue)
		}
		list = append(list, r)
	}
	return list, hues
}

// hue is the hue of a sender, as in text.js.
func hue(by string) int {
	var n uint32
	for _, c := range []byte(by) {
		n = n*31 + uint32(c)
	}
	return int(n % 360)
}

// initials returns the first letter of a name, and that of its last word, as in text.js.
func initials(name string) string {
	words := slices.DeleteFunc(strings.FieldsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("_.-", r) }), func(word string) bool {
		r, _ := utf8.DecodeRuneInString(word)
		return !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	if len(words) == 0 {
		words = []string{name}
	}
	if len(words) > 2 {
		words = []string{words[0], words[len(words)-1]}
	}
	letters := ""
	for _, word := range words {
		_, size := utf8.DecodeRuneInString(word)
		letters += strings.ToUpper(word[:size])
	}
	return letters
}

// styleHash returns a style as a source of a Content-Security-Policy.
func styleHash(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// LanguageCookie holds the language that someone has chosen; i18n.js sets it.
const LanguageCookie = "ramai-language"

// VisitorCookie says that a browser has chosen a name, or none; app.js sets it. The page does not ask again.
const VisitorCookie = "ramai-visitor"

// knownVisitor reports whether the script will not ask for a name. The card that asks takes space: if it appeared only when the
// script runs, the page would move. Over plain HTTP, a frame in a page of another site has no cookies, and is never known.
func knownVisitor(r *http.Request) bool {
	_, err := r.Cookie(VisitorCookie)
	return err == nil
}

// language returns the language of the response: the chosen one, or the best of those that the browser prefers.
func (p *Page) language(r *http.Request) string {
	if c, err := r.Cookie(LanguageCookie); err == nil && slices.Contains(p.languages, c.Value) {
		return c.Value
	}
	best, weight := "en", 0.0
	for _, element := range httpfield.List(r.Header.Values("Accept-Language")) {
		tag, _, _ := strings.Cut(element, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q, _ := httpfield.Quality([]string{element}, strings.TrimSpace(tag))
		if slices.Contains(p.languages, primary) && q > weight {
			best, weight = primary, q
		}
	}
	return best
}

// Room answers with the page of a room, whose name has been validated.
func (p *Page) Room(out http.ResponseWriter, r *http.Request, v View) {
	language := p.language(r)
	here, embed := r.URL.EscapedPath(), r.URL.Query().Has("embed")
	older := here + "?before="
	if embed {
		here, older = here+"?embed", here+"?embed&before="
	}
	data := map[string]any{
		"View": &v, "T": textsOf(language), "Language": language, "Languages": strings.Join(p.languages, " "), "Base": p.base, "Script": script,
		"Path": r.URL.EscapedPath(), "Here": here, "Embedded": embed, "Stage": r.URL.Query().Get("view") == "stage", "ID": rand.Text(),
		"Style":    template.CSS(p.style),
		"AsksName": !knownVisitor(r),
	}
	hues := ""
	if v.Past != nil {
		data["Rows"], hues = rows(v.Past.Messages, older)
		if k := len(v.Past.Messages); k > 0 && v.Past.More {
			data["Older"] = older + strconv.FormatUint(v.Past.Messages[0].N, 10)
		}
		if v.Newest {
			data["Served"] = v.Past
		}
	}
	data["Hues"] = template.CSS(hues)
	if v.Error != nil {
		data["Error"] = textsOf(language).reason(v.Error)
	}
	ancestors := "'none'"
	if embed {
		ancestors = p.ancestors
	}
	p.html(out, r, p.index, v.Status, ancestors, []string{p.style, hues}, data)
}

// html answers with a page that has inline styles, and may have a form.
func (p *Page) html(out http.ResponseWriter, r *http.Request, t *template.Template, status int, ancestors string, styles []string, data any) {
	h := setPolicies(out, ancestors)
	sources := "'self'"
	for _, style := range styles {
		sources += " " + styleHash(style)
	}
	policy := strings.Replace(h.Get("Content-Security-Policy"), "style-src 'self'", "style-src "+sources, 1)
	h.Set("Content-Security-Policy", strings.Replace(policy, "form-action 'none'", "form-action 'self'", 1))
	h.Set("Referrer-Policy", "same-origin") // without it, browsers send the form with Origin: null
	if ancestors == "'none'" {
		h.Set("X-Frame-Options", "DENY")
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // messages, and the position at which the script resumes
	for _, field := range []string{"Accept-Encoding", "Accept-Language", "Cookie"} {
		h.Add("Vary", field)
	}
	var body bytes.Buffer
	if err := t.Execute(&body, data); err != nil {
		http.Error(out, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	if status == 0 {
		status = http.StatusOK
	}
	if !prefersGzip(r) {
		out.WriteHeader(status)
		body.WriteTo(out) // an error means that the client is gone
		return
	}
	h.Set("Content-Encoding", "gzip")
	out.WriteHeader(status)
	zip := gzip.NewWriter(out)
	body.WriteTo(zip)
	zip.Close()
}

// WrongRoom answers a request for an invalid room name, and suggests a valid one that is similar.
func (p *Page) WrongRoom(out http.ResponseWriter, r *http.Request, name, suggestion string) {
	language := p.language(r)
	t := textsOf(language)
	target := "/r/" + suggestion
	if suggestion == wire.Lobby {
		target = "/"
	}
	p.notice(out, r, http.StatusNotFound, "'none'", notice{
		Language: language, Title: fmt.Sprintf(t.WrongRoom, shorten(name)), Paragraphs: []string{t.RoomNames},
		Link: target, Label: fmt.Sprintf(t.OpenRoom, suggestion),
	})
}

// Embeddable reports whether pages of an origin may embed a room; an empty one is unknown.
func (p *Page) Embeddable(origin string) bool {
	return slices.Contains(strings.Fields(p.ancestors), origin) || origin == "" && p.ancestors != "'self'"
}

// NotEmbeddable answers in a frame of a page that may not embed the room, in place of the browser's own error.
func (p *Page) NotEmbeddable(out http.ResponseWriter, r *http.Request, room, origin, link string) {
	language := p.language(r)
	t := textsOf(language)
	n := notice{Language: language, Title: fmt.Sprintf(t.NotEmbedded, room), Paragraphs: []string{t.AskOperator}, Link: link, Label: fmt.Sprintf(t.OpenRoom, room), Blank: true}
	if origin != "" {
		n.Code = "ramai serve --allow-origin " + origin
	}
	p.notice(out, r, http.StatusForbidden, "*", n)
}

// notice is a page that says one thing and offers one link.
type notice struct {
	Language, Title string
	Paragraphs      []string
	Code            string // a command; empty: none
	Link, Label     string
	Blank           bool // the link opens another window
	Style           template.CSS
}

func (p *Page) notice(out http.ResponseWriter, r *http.Request, status int, ancestors string, n notice) {
	style := p.style + string(p.files["notice.css"].plain)
	n.Style = template.CSS(style)
	p.html(out, r, p.notices, status, ancestors, []string{style}, &n)
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return s
}

// texts are the texts of the page before the script runs; lang/ has all others.
type texts struct {
	Loading, Reload, Static, Older, Newest, Log, Write, WriteTo, Send, Name, NoName, Guest, You string
	NameOffer, NameUse, NameNone                                                                string // as in lang/
	Beginning, Empty, EmptyHint, EmptyShare                                                     string
	WrongRoom, RoomNames, OpenRoom, NotEmbedded, AskOperator                                    string
	Deleted, Edited, Reply                                                                      string
	Description                                                                                 string
	Reasons                                                                                     map[wire.Code]string
}

// reason returns why something was refused, in the language of the page if it has a text for the code.
func (t *texts) reason(err *wire.CodedError) string {
	return cmp.Or(t.Reasons[err.Code], err.Reason)
}

func textsOf(language string) *texts {
	if language == "id" {
		return &indonesian
	}
	return &english
}

var english = texts{
	Loading: "connecting…", Reload: "Reload", Static: "Without JavaScript, new messages appear when you reload.", Older: "Older messages", Newest: "Newest messages",
	Log: "Messages", Write: "Write a message", WriteTo: "Message %s", Send: "Send", Name: "Your name", NoName: "guest", Guest: "guest %s",
	NameOffer: "Choose a name", NameUse: "Join", NameNone: "Continue as guest",
	Beginning: "This is the beginning of the room.", Empty: "No messages yet",
	EmptyHint: "Anyone with the link can read and write here. No account needed.", EmptyShare: "Write the first message, or send the link to somebody.",
	WrongRoom: "No room can be called “%s”", RoomNames: "A room name has up to 64 characters from a–z, 0–9, _ and -, and starts with a letter or digit.",
	OpenRoom: "Open %s", NotEmbedded: "The room %s cannot be shown here", AskOperator: "This site is not on the server’s list. The server’s operator can allow it:",
	Deleted: "Message deleted", Edited: "(edited)", Reply: "Reply to an earlier message",
	Description: Description,
}

var indonesian = texts{
	Loading: "menghubungkan…", Reload: "Muat ulang", Static: "Tanpa JavaScript, pesan baru muncul setelah halaman dimuat ulang.", Older: "Pesan sebelumnya", Newest: "Pesan terbaru",
	Log: "Pesan", Write: "Tulis pesan", WriteTo: "Pesan untuk %s", Send: "Kirim", Name: "Nama Anda", NoName: "tamu", Guest: "tamu %s",
	NameOffer: "Anda ingin dipanggil siapa?", NameUse: "Gabung", NameNone: "Lanjut sebagai tamu",
	Beginning: "Ini awal percakapan di ruang ini.", Empty: "Belum ada pesan",
	EmptyHint: "Siapa pun yang punya tautannya bisa membaca dan menulis di sini. Tidak perlu akun.", EmptyShare: "Mulai percakapan, atau kirim tautannya ke seseorang.",
	WrongRoom: "Nama ruang “%s” tidak bisa dipakai", RoomNames: "Nama ruang maksimal 64 karakter: a–z, 0–9, _ dan -, diawali huruf atau angka.",
	OpenRoom: "Buka %s", NotEmbedded: "Ruang %s tidak bisa ditampilkan di sini", AskOperator: "Situs ini belum terdaftar di server. Pengelola server bisa mengizinkannya:",
	Deleted: "Pesan dihapus", Edited: "(diedit)", Reply: "Membalas pesan sebelumnya",
	Description: "Ruang obrolan. Buka tautannya untuk membaca dan ikut menulis. Tidak perlu akun.",
	Reasons: map[wire.Code]string{
		wire.BadFrame: "Permintaan ini tidak dapat diproses.", wire.BadRequest: "Isinya tidak valid. Periksa nama dan pesannya, lalu coba sekali lagi.",
		wire.TooLong: "Pesannya terlalu panjang. Persingkat, lalu kirim lagi.", wire.RateLimited: "Terlalu cepat. Tunggu sebentar, lalu coba lagi.",
		wire.NotAllowed: "Aturan di sini tidak mengizinkannya.", wire.NameTaken: "Nama ini atau yang mirip dengannya sudah dipakai. Pilih nama lain.",
		wire.IDReused: "Pesan lain sudah dikirim dari formulir ini. Kirim sekali lagi.", wire.Gone: "Pesan itu sudah dihapus.",
		wire.Closed: "Polling ini sudah ditutup.", wire.Held: "Moderator harus menyetujui pesan ini dulu.",
		wire.Unavailable: "Server sedang sibuk atau penuh. Coba lagi nanti.", wire.Internal: "Terjadi kesalahan di server.",
	},
}

package web

import (
	"crypto/rand"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/origin"
	"ramai/internal/room"
	"ramai/internal/web/page"
	"ramai/wire"
)

const (
	servedMessages = 50              // in the page of a room
	servedTimeout  = 3 * time.Second // to read them; a page without them is better than a late one
	servedRooms    = 32              // whose newest messages are kept
	formCookie     = "ramai-session" // the session of the form; the script has its own
)

// newestPages keeps the newest messages of some rooms, so that many people who open a room at once cost one read.
type newestPages struct {
	mu    sync.Mutex
	rooms map[string]newestPage
}

type newestPage struct {
	past *wire.HistoryResponse
	last uint64 // the newest number when it was read
}

// get returns the stored page of a room if nothing was posted, changed or deleted since.
func (c *newestPages) get(room string, at wire.Position, bounds eventlog.Bounds) *wire.HistoryResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.rooms[room]
	if kept.past == nil || kept.last != bounds.Last || kept.past.First != bounds.First || kept.past.HistoryID != at.HistoryID || kept.past.Epoch != at.Epoch {
		return nil
	}
	return kept.past
}

// put stores the newest page of a room.
func (c *newestPages) put(room string, past *wire.HistoryResponse) {
	if len(past.Messages) == 0 {
		return // cheap to read
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms == nil {
		c.rooms = make(map[string]newestPage)
	}
	for name := range c.rooms {
		if len(c.rooms) < servedRooms || c.rooms[room].past != nil {
			break
		}
		delete(c.rooms, name)
	}
	c.rooms[room] = newestPage{past, past.Head}
}

// servePage answers with the page of a room, for GET.
func (w *web) servePage(out http.ResponseWriter, r *http.Request, room, self string) {
	if dest := r.Header.Get("Sec-Fetch-Dest"); fromElsewhere(r) && (dest == "iframe" || dest == "frame" || dest == "embed" || dest == "object") {
		from := ""
		if referer, err := url.Parse(r.Referer()); err == nil && referer.Host != "" {
			from = origin.Of(referer.Scheme, referer.Host).String()
		}
		if !r.URL.Query().Has("embed") || !w.page.Embeddable(from) {
			w.page.NotEmbeddable(out, r, room, from, self+r.URL.EscapedPath())
			return
		}
	}
	w.showRoom(out, r, page.View{Room: room, Origin: self})
}

// showRoom fills a view with messages, and answers with it.
func (w *web) showRoom(out http.ResponseWriter, r *http.Request, v page.View) {
	_, who := w.formSession(r)
	if v.Name == "" {
		v.Name = w.Chat.Name(who.SenderID)
	}
	v.Reachable = w.reachable(r, v.Origin)
	a := actorOf(r)
	if who.SenderID != "" {
		a.SenderID = who.SenderID
	}
	_ = w.handOver(out, a, func(again bool) ([]room.Range, *wire.CodedError) {
		past, newest, err := w.served(r, a, v.Room, again)
		v.Past, v.Newest = past, newest
		switch {
		case err == nil:
			return rangeOf(v.Room, past.Messages), nil
		case v.Error == nil:
			v.Error = err
		}
		return nil, nil // the page says why it has no messages
	}, func() { w.page.Room(out, r, v) })
}

// served returns the messages for the page: the newest, or those before a number. Rooms that the actor may not read have none,
// whatever was read for others.
func (w *web) served(r *http.Request, a *chat.Actor, room string, again bool) (past *wire.HistoryResponse, newest bool, err *wire.CodedError) {
	if err := w.Chat.MayRead(a, room); err != nil {
		return nil, false, chat.Refusal(err)
	}
	q := url.Values{}
	if before := r.URL.Query().Get("before"); before != "" && r.Method != http.MethodPost {
		q.Set("before", before)
	} else {
		newest = true
		if past := w.newest.get(room, w.Chat.Position(0), w.Chat.Bounds(room)); past != nil {
			return past, true, nil
		}
	}
	ask, err := w.parseHistory(room, q)
	if err != nil {
		return nil, false, err
	}
	ask.Limit = servedMessages
	past, err = w.read(a, ask, servedTimeout, again)
	if err != nil {
		return nil, false, err
	}
	past.Mine = nil // the page is kept for others
	if newest {
		w.newest.put(room, past)
	}
	return past, newest, nil
}

// formSession returns the session of the form, and whose it is; empty: there is none yet, or it has ended.
func (w *web) formSession(r *http.Request) (string, chat.Identity) {
	c, err := r.Cookie(formCookie)
	if err != nil || wire.CheckSession(c.Value) != nil {
		return "", chat.Identity{}
	}
	who, err := w.Chat.Resolve(c.Value)
	if err != nil {
		return "", chat.Identity{}
	}
	return c.Value, who
}

// newFormSession returns a session for a form that was sent without one, and its sender.
func newFormSession() (string, chat.Identity) {
	b := make([]byte, 16)
	rand.Read(b)
	secret := base64.RawURLEncoding.EncodeToString(b)
	return secret, chat.Identity{SenderID: wire.SenderIDOf(secret)}
}

// setFormCookie gives the browser the session of the form.
func setFormCookie(out http.ResponseWriter, r *http.Request, secret string) {
	cookie := http.Cookie{
		Name: formCookie, Value: secret, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteStrictMode,
	}
	if cookie.Secure && r.URL.Query().Has("embed") { // a frame in a page of another site has only cookies like this; checkOrigin has refused forms of that site
		cookie.SameSite, cookie.Partitioned = http.SameSiteNoneMode, true
	}
	http.SetCookie(out, &cookie)
}

// checkFormOrigin refuses forms of pages of other sites, also of those that may use the API.
func (w *web) checkFormOrigin(r *http.Request) *wire.CodedError {
	if err := w.checkOrigin(r); err != nil {
		return err
	}
	if field := r.Header.Get("Origin"); field != "" && !isOwn(r, field) {
		return &wire.CodedError{Code: wire.NotAllowed, Reason: "pages of other sites can use the API, but not the form of this page"}
	}
	return nil
}

// postForm answers the form of a room's page: it posts, and redirects to the page. A refusal is shown in the page, and the
// text is kept.
func (w *web) postForm(out http.ResponseWriter, r *http.Request) {
	room := r.PathValue("room")
	if room == "" {
		room = wire.Lobby
	}
	if err := wire.CheckRoom(room); err != nil {
		w.refuse(out, http.StatusNotFound, err)
		return
	}
	if err := w.checkFormOrigin(r); err != nil {
		w.fail(out, err)
		return
	}
	if kind, _, bad := mime.ParseMediaType(r.Header.Get("Content-Type")); bad != nil || kind != "application/x-www-form-urlencoded" {
		w.refuse(out, http.StatusUnsupportedMediaType, &wire.CodedError{Code: wire.BadRequest, Reason: "this takes the form of the page; programs post to /api/v1/rooms/ROOM/messages"})
		return
	}
	limit := 3*2*w.Chat.Limits().Text + 1024 // each byte as %XX, each newline as CRLF
	secret, who := w.formSession(r)
	if secret == "" {
		secret, who = newFormSession()
	}
	if wait := w.chargeWork(r, limit); wait > 0 {
		w.fail(out, tooFast(wait))
		return
	}
	body, err := readBody(out, r, limit)
	if err != nil {
		w.fail(out, err)
		return
	}
	form, bad := url.ParseQuery(string(body))
	if bad != nil {
		w.fail(out, &wire.CodedError{Code: wire.BadRequest, Reason: "the body is not a valid form: " + bad.Error()})
		return
	}
	setFormCookie(out, r, secret)
	a := actorOf(r)
	a.SenderID = who.SenderID
	name, text := strings.TrimSpace(form.Get("name")), wire.NormalizeText(form.Get("text"))
	err = w.nameByForm(a, form.Has("name"), name)
	if err == nil && strings.TrimSpace(text) != "" {
		err = w.sayByForm(a, room, form.Get("id"), text)
	}
	if err != nil {
		if w.Refused != nil {
			w.Refused(err.Code)
		}
		w.showRoom(out, r, page.View{Room: room, Origin: w.self(r), Error: err, Name: name, Text: text, Status: statusOf(err.Code)})
		return
	}
	target := r.URL.EscapedPath()
	if r.URL.Query().Has("embed") {
		target += "?embed"
	}
	out.Header().Set("Cache-Control", "no-store")
	http.Redirect(out, r, target, http.StatusSeeOther)
}

// nameByForm sets the entered name of the form's sender, if the sender has another one.
func (w *web) nameByForm(a *chat.Actor, entered bool, name string) *wire.CodedError {
	held := w.Chat.Name(a.SenderID)
	if !entered || name == held {
		return nil
	}
	n := &chat.NameRequest{Name: name}
	return w.settle(func(reply chat.Reply) error {
		if name == "" {
			return w.Chat.ReleaseName(a, n, reply)
		}
		return w.Chat.ReserveName(a, n, reply)
	})
}

// sayByForm posts the text of the form. The id was created with the form, so that sending it twice posts once.
func (w *web) sayByForm(a *chat.Actor, room, id, text string) *wire.CodedError {
	if err := wire.CheckID(id); err != nil {
		return err
	}
	m := &chat.Message{Room: room, ID: id, Text: text}
	return w.settle(func(reply chat.Reply) error { return w.Chat.Say(a, m, reply) })
}

// settle waits for the outcome of a command, and returns why it was refused, or nil.
func (w *web) settle(submit func(chat.Reply) error) *wire.CodedError {
	o, err := w.await(submit)
	switch {
	case err != nil:
		return chat.Refusal(err)
	case o.Status == eventlog.Refused || o.Status == eventlog.OnHold:
		return o.Err
	}
	return nil
}

package web

import (
	"encoding/json"
	"mime"
	"net/http"

	"ramai/internal/chat"
	"ramai/wire"
)

var unsupportedSetting = &wire.CodedError{Code: wire.BadRequest, Reason: `send {"value": ...} as Content-Type application/json, and not compressed`}

// putSetting answers PUT /api/v1/rooms/ROOM/state/KEY, which changes a setting. Keys can contain slashes.
func (w *web) putSetting(out http.ResponseWriter, r *http.Request) {
	format, ok := w.bodyFormatOf(r.Header)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); !ok || kind != "application/json" {
		w.refuse(out, http.StatusUnsupportedMediaType, unsupportedSetting)
		return
	}
	var s chat.Setting
	format.parse = func(body []byte, m *chat.Message) (refused *wire.CodedError) {
		s, refused = jsonSetting(body, m)
		return refused
	}
	if m, ok := w.readBody(out, r, format); ok {
		w.set(out, r, m, s)
	}
}

// deleteSetting answers DELETE /api/v1/rooms/ROOM/state/KEY, which unsets a setting.
func (w *web) deleteSetting(out http.ResponseWriter, r *http.Request) {
	if m, ok := w.readWithoutBody(out, r); ok {
		w.set(out, r, m, chat.Setting{})
	}
}

// set changes a setting. m has the room and the id.
func (w *web) set(out http.ResponseWriter, r *http.Request, m *chat.Message, s chat.Setting) {
	s.Room, s.ID, s.Key = m.Room, m.ID, r.PathValue("key")
	if s.HasPassword() {
		if refused := w.hashPassword(r, &s); refused != nil {
			w.fail(out, refused)
			return
		}
	}
	w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Set(actorOf(r), &s, reply) })
}

// jsonSetting returns the value and the end in a JSON object, and sets the id of m if the object has one. A value must be
// present: null unsets the setting.
func jsonSetting(body []byte, m *chat.Message) (s chat.Setting, refused *wire.CodedError) {
	var set struct {
		ID    *string         `json:"id"`
		Value json.RawMessage `json:"value"`
		Until *string         `json:"until"`

		AddressOf uint64 `json:"address_of"`
	}
	const want = `the body must be one JSON object with a "value"`
	if err := wire.ParseJSON(body, &set); err != nil {
		return s, &wire.CodedError{Code: err.Code, Reason: want + ": " + err.Reason}
	}
	s.AddressOf = set.AddressOf
	if set.Value == nil {
		return s, &wire.CodedError{Code: wire.BadRequest, Reason: want + "; null unsets the setting"}
	}
	if set.Until != nil {
		if s.Until, refused = wire.ParseUntil(*set.Until); refused != nil {
			return s, &wire.CodedError{Code: refused.Code, Reason: "the field \"until\": " + refused.Reason}
		}
	}
	if err := wire.ParseJSON(set.Value, &s.Value); err != nil {
		return s, &wire.CodedError{Code: err.Code, Reason: "the field \"value\": " + err.Reason}
	}
	return s, setBodyID(set.ID, m)
}

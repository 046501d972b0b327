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
	var value wire.Value
	format.parse = func(body []byte, m *chat.Message) (refused *wire.CodedError) {
		value, refused = jsonSetting(body, m)
		return refused
	}
	if m, ok := w.readBody(out, r, format); ok {
		w.set(out, r, m, value)
	}
}

// deleteSetting answers DELETE /api/v1/rooms/ROOM/state/KEY, which unsets a setting.
func (w *web) deleteSetting(out http.ResponseWriter, r *http.Request) {
	if m, ok := w.readWithoutBody(out, r); ok {
		w.set(out, r, m, wire.Value{})
	}
}

// set changes a setting. m has the room and the id.
func (w *web) set(out http.ResponseWriter, r *http.Request, m *chat.Message, value wire.Value) {
	s := &chat.Setting{Room: m.Room, ID: m.ID, Key: r.PathValue("key"), Value: value}
	w.answerPost(out, http.StatusOK, func(reply chat.Reply) error { return w.Chat.Set(actorOf(r), s, reply) })
}

// jsonSetting returns the value in a JSON object, and sets the id of m if the object has one. A value must be present: null
// unsets the setting.
func jsonSetting(body []byte, m *chat.Message) (value wire.Value, refused *wire.CodedError) {
	var set struct {
		ID    *string         `json:"id"`
		Value json.RawMessage `json:"value"`
		Until json.RawMessage `json:"until"`
	}
	const want = `the body must be one JSON object with a "value"`
	if err := wire.ParseJSON(body, &set); err != nil {
		return value, &wire.CodedError{Code: err.Code, Reason: want + ": " + err.Reason}
	}
	if set.Value == nil {
		return value, &wire.CodedError{Code: wire.BadRequest, Reason: want + "; null unsets the setting"}
	}
	if set.Until != nil {
		return value, &wire.CodedError{Code: wire.BadRequest, Reason: "no setting can have an until; leave it out"}
	}
	if err := wire.ParseJSON(set.Value, &value); err != nil {
		return value, &wire.CodedError{Code: err.Code, Reason: "the field \"value\": " + err.Reason}
	}
	return value, setBodyID(set.ID, m)
}

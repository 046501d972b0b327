package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// ErasePerson is the body of a request to ErasePath.
type ErasePerson struct {
	SenderID string `json:"by"`
	Dry      bool   `json:"dry"` // only count
}

// noteForgotten makes the scrubber remove the traces of what was erased of people besides their records: texts in the vault, and what
// was known about addresses.
func (s *Server) noteForgotten(outcomes []eventlog.Outcome) {
	for i := range outcomes {
		switch c := outcomes[i].Command; c.Kind {
		case eventlog.Forget, eventlog.EraseStep, eventlog.RotateAddressKeys:
			s.forgotten.Add(1)
		case eventlog.PruneEntries:
			if body, ok := c.Body.(eventlog.PruneEntriesBody); ok && body.Table == eventlog.Origins {
				s.forgotten.Add(1)
			}
		}
	}
}

// listNamed lists the senders with a name.
func (s *Server) listNamed(out http.ResponseWriter, r *http.Request) {
	name, err := names.Parse(r.FormValue("name"))
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	list, err := s.chat.Operator().SendersNamed(r.Context(), name)
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for i := range list {
		if lines.Encode(&list[i]) != nil {
			return // the client is gone
		}
	}
}

// exportPerson sends everything of a sender. Without the last line the answer is incomplete.
func (s *Server) exportPerson(out http.ResponseWriter, r *http.Request) {
	by := r.FormValue("by")
	if !eventlog.CanForget(by) {
		http.Error(out, chat.Nobody(by).Reason, http.StatusBadRequest)
		return
	}
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := bufio.NewWriter(out)
	err := s.chat.Operator().ExportPerson(r.Context(), by, wire.TimeOf(s.cfg.Now()), func(line []byte) error {
		lines.Write(line)
		return lines.WriteByte('\n')
	})
	if err != nil && r.Context().Err() == nil {
		s.cfg.Logger.Error("cannot export what is stored of a sender", "err", err)
	}
	lines.Flush()
}

// auditRoom sends what was done in a room. If it fails in the middle, it breaks the connection.
func (s *Server) auditRoom(out http.ResponseWriter, r *http.Request) {
	lines := bufio.NewWriter(out)
	err := s.chat.Operator().Audit(r.Context(), r.FormValue("room"), func(frame []byte) error {
		lines.Write(frame)
		return lines.WriteByte('\n')
	})
	switch refused := chat.Refusal(err); {
	case refused != nil:
		http.Error(out, refused.Reason, http.StatusNotFound)
		return
	case err != nil:
		if r.Context().Err() == nil {
			s.cfg.Logger.Error("cannot read what was done in a room", "room", r.FormValue("room"), "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	lines.Flush()
}

// erasePerson erases everything of a sender, or counts it. It goes on until it is done, or the client is gone.
func (s *Server) erasePerson(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	var ask ErasePerson
	if err == nil {
		err = json.Unmarshal(body, &ask)
	}
	if err != nil {
		http.Error(out, "the body must have the sender as by, in JSON: "+err.Error(), http.StatusBadRequest)
		return
	}
	found, err := s.chat.Operator().ErasePerson(r.Context(), ask.SenderID, ask.Dry)
	switch refused := chat.Refusal(err); {
	case refused != nil && refused != chat.ErrUnknown:
		http.Error(out, refused.Reason, http.StatusConflict)
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	default:
		if err := json.NewEncoder(out).Encode(found); err != nil {
			return // the client is gone
		}
	}
}

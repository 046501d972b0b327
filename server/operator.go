package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/pprof"
	"time"

	"ramai/internal/chat"
	"ramai/internal/names"
	"ramai/wire"
)

// SocketName is the Unix socket in the data folder on which a running server answers its operator over HTTP. Only the user
// who runs the server can connect to it. See [Server.Operator].
const SocketName = "admin.sock"

// Paths of [Server.Operator] besides those of [Server.Admin] and /debug/pprof/.
const (
	NamesPath   = "/names"         // GET: the registered names, as JSON lines of eventlog.NameRegistration
	ReleasePath = "/names/release" // POST: a name to unregister
	RoomsPath   = "/rooms"         // GET: the rooms with messages, as JSON lines of chat.RoomInfo
	SetPath     = "/settings"      // POST: a wire.Set as JSON, to be set in the operator's name
	DeletePath  = "/rooms/delete"  // POST: a room to delete; answered by "done" or More

	SendersPath     = "/senders"      // GET: the senders with a proof, as JSON lines of chat.KnownSender
	EndSessionsPath = "/sessions/end" // POST: the id of a sender whose sessions end

	AuditPath  = "/audit"         // GET: what was done in the room of the query's room, as JSON lines of wire.Message
	PeoplePath = "/people"        // GET: the senders with the name of the query's name, as JSON lines of chat.NamedSender
	ExportPath = "/people/export" // GET: everything of the sender of the query's by, as JSON lines that end with a chat.ExportEnd
	ErasePath  = "/people/erase"  // POST: an ErasePerson as JSON; answered by a chat.Person

	ClusterPath      = "/cluster"        // GET: the ClusterStatus, as JSON
	RemoveMemberPath = "/cluster/remove" // POST: the address or the name of a member to remove
	CanAddMemberPath = "/cluster/add"    // POST: an address; refused if no member can be added there
)

// More is the answer to a change that is not complete. The client must repeat the request.
const More = "more"

// Operator returns the handler for the commands of the user who runs the server. It does not authenticate, so it is served
// only on the socket in the data folder, never on a port.
func (s *Server) Operator() http.Handler {
	mux := http.NewServeMux()
	for path, h := range s.toolPaths() {
		mux.HandleFunc("GET "+path, h)
	}
	for path, h := range map[string]http.HandlerFunc{
		"": pprof.Index, "cmdline": pprof.Cmdline, "profile": pprof.Profile, "symbol": pprof.Symbol, "trace": pprof.Trace,
	} {
		mux.HandleFunc("/debug/pprof/"+path, h)
	}
	mux.HandleFunc("GET "+NamesPath, s.listNames)
	mux.HandleFunc("POST "+ReleasePath, s.releaseName)
	mux.HandleFunc("GET "+RoomsPath, s.listRooms)
	mux.HandleFunc("GET "+ClusterPath, s.clusterStatus)
	mux.HandleFunc("POST "+RemoveMemberPath, s.changeMembers(s.removeMember))
	mux.HandleFunc("POST "+CanAddMemberPath, s.changeMembers(s.canAdd))
	mux.HandleFunc("POST "+DeletePath, s.deleteRoom)
	mux.HandleFunc("POST "+SetPath, s.setAsOperator)
	mux.HandleFunc("POST "+InvitePath, s.makeInvite)
	mux.HandleFunc("GET "+SendersPath, s.listSenders)
	mux.HandleFunc("POST "+EndSessionsPath, s.endSessions)
	mux.HandleFunc("GET "+AuditPath, s.auditRoom)
	mux.HandleFunc("GET "+PeoplePath, s.listNamed)
	mux.HandleFunc("GET "+ExportPath, s.exportPerson)
	mux.HandleFunc("POST "+ErasePath, s.erasePerson)
	return mux
}

// listNames lists the registered names.
func (s *Server) listNames(out http.ResponseWriter, _ *http.Request) {
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for _, o := range s.store.RegisteredNames() {
		if lines.Encode(o) != nil {
			return // the client is gone
		}
	}
}

// listRooms lists the rooms with messages.
func (s *Server) listRooms(out http.ResponseWriter, _ *http.Request) {
	list := s.chat.Operator().Rooms(s.hub.Count)
	out.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(out)
	for _, room := range list {
		if lines.Encode(room) != nil {
			return // the client is gone
		}
	}
}

const errAlone = "this server runs alone: it was started without --cluster"

// clusterStatus describes the cluster.
func (s *Server) clusterStatus(out http.ResponseWriter, r *http.Request) {
	if s.cfg.member == nil {
		http.Error(out, errAlone, http.StatusNotFound)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	json.NewEncoder(out).Encode(s.cfg.member.status(r.Context())) // the client may be gone
}

// deleteTimeout limits a call of deleteRoom. A large room is deleted in several calls.
const deleteTimeout = 3 * time.Second

// deleteRoom deletes a room.
func (s *Server) deleteRoom(out http.ResponseWriter, r *http.Request) {
	room, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	if err != nil {
		http.Error(out, "the body is too large; it must be the name of a room", http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deleteTimeout)
	defer cancel()
	switch done, err := s.chat.Operator().DeleteRoom(ctx, string(room)); {
	case err != nil:
		http.Error(out, err.Error(), http.StatusNotFound)
	case done:
		io.WriteString(out, "done")
	default:
		io.WriteString(out, More)
	}
}

// setAsOperator changes a setting of a room in the operator's name.
func (s *Server) setAsOperator(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<12))
	if err != nil {
		http.Error(out, "the body is too large; it must be a setting", http.StatusRequestEntityTooLarge)
		return
	}
	var set wire.Set
	if bad := wire.ParseJSON(body, &set); bad != nil {
		http.Error(out, "the body is not a setting: "+bad.Reason, http.StatusBadRequest)
		return
	}
	_, err = s.chat.Operator().Set(r.Context(), chat.Setting{Room: set.Room, ID: set.ID, Key: set.Key, Value: set.Value, Until: set.Until})
	switch refused := chat.Refusal(err); {
	case refused != nil && refused != chat.ErrUnknown:
		http.Error(out, refused.Reason, http.StatusConflict)
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	}
}

// releaseName unregisters a name.
func (s *Server) releaseName(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
	if err != nil {
		http.Error(out, "the body is too large; it must be a name", http.StatusRequestEntityTooLarge)
		return
	}
	name, err := names.Parse(string(body))
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	err = s.chat.Operator().ReleaseName(r.Context(), name)
	switch refused := chat.Refusal(err); {
	case refused != nil && refused != chat.ErrUnknown:
		http.Error(out, refused.Reason, http.StatusNotFound)
	case err != nil:
		http.Error(out, err.Error(), http.StatusServiceUnavailable)
	}
}

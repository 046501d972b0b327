package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"ramai/wire"
)

// foreign says why a page elsewhere may not come in here (cross-site WebSocket hijacking, DNS rebinding), or nil if
// there is no reason. Whoever sends no Origin is no page, or one that only reads from where it came from.
func (w *web) foreign(r *http.Request) *wire.Error {
	if err := unknownHost(r, w.Hosts); err != nil {
		return err
	}
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return nil
	}
	origin := origins[0]
	same := origin == "https://"+r.Host || !secure(r) && origin == "http://"+r.Host
	if len(origins) > 1 || !same && !slices.Contains(w.AllowOrigins, origin) {
		return &wire.Error{
			Code:   wire.NotAllowed,
			Reason: fmt.Sprintf("pages of %q may not connect here; the server's operator can allow it with --allow-origin", bound(origin)),
		}
	}
	return nil
}

// unknownHost says why the name that the server was called by is none of its own. A page whose name was bent to the
// address of this server (DNS rebinding) reads what it likes without sending an Origin, but not under another name.
func unknownHost(r *http.Request, hosts []string) *wire.Error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil || name == "localhost" || slices.Contains(hosts, name) {
		return nil
	}
	return &wire.Error{
		Code:   wire.NotAllowed,
		Reason: fmt.Sprintf("this server does not know itself by the name %q; its operator can allow it with --host", bound(host)),
	}
}

// NoPages lets nobody in to next who comes from a page: neither by a name that is not among hosts (nor localhost, nor an
// address), nor with an Origin, nor as something that a page of another site embeds (Fetch Metadata).
func NoPages(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		err := unknownHost(r, hosts)
		if site := r.Header.Get("Sec-Fetch-Site"); err == nil && (r.Header["Origin"] != nil || site == "cross-site" || site == "same-site") {
			err = &wire.Error{Code: wire.NotAllowed, Reason: "pages may not read this; open the address itself"}
		}
		if err != nil {
			text(out, http.StatusForbidden, err.Reason+"\n")
			return
		}
		next.ServeHTTP(out, r)
	})
}

func bound(s string) string { return s[:min(len(s), 100)] }

// bearer returns the session that a request names; empty: none.
func bearer(r *http.Request) (string, *wire.Error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", nil
	}
	secret, ok := strings.CutPrefix(header, "Bearer ")
	if !ok || wire.CheckSession(secret) != nil {
		return "", &wire.Error{Code: wire.NotAllowed, Reason: "Authorization is Bearer and a session, 22 characters of base64url; or leave it out"}
	}
	return secret, nil
}

// sender returns the sender that a request names by its session; empty: nobody, who is told apart by address alone.
func sender(r *http.Request) string {
	secret, _ := bearer(r) // api has refused a malformed one
	if secret == "" {
		return ""
	}
	return wire.By(secret)
}

// api are the handlers of a path that pages elsewhere may use too, if they are allowed (CORS, the Fetch standard).
func (w *web) api(m methods) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		out.Header().Add("Vary", "Origin")
		if err := w.foreign(r); err != nil {
			w.fail(out, err)
			return
		}
		if origin := r.Header.Get("Origin"); slices.Contains(w.AllowOrigins, origin) {
			out.Header().Set("Access-Control-Allow-Origin", origin)
			out.Header().Set("Access-Control-Expose-Headers", "Retry-After")
			if r.Method == http.MethodOptions {
				out.Header().Set("Access-Control-Allow-Methods", m.names())
				out.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID")
				out.Header().Set("Access-Control-Max-Age", "600")
				out.WriteHeader(http.StatusNoContent)
				return
			}
		}
		if _, err := bearer(r); err != nil {
			out.Header().Set("WWW-Authenticate", "Bearer")
			w.refuse(out, http.StatusUnauthorized, err)
			return
		}
		if room := r.PathValue("room"); room != "" {
			if err := wire.CheckRoom(room); err != nil {
				w.refuse(out, http.StatusNotFound, err)
				return
			}
		}
		w.serve(m, out, r)
	}
}

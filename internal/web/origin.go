package web

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"ramai/internal/chat"
	"ramai/internal/origin"
	"ramai/internal/token"
	"ramai/wire"
)

// checkOrigin returns why a page of another origin may not use the server (cross-site WebSocket hijacking, DNS
// rebinding), or nil. A request without an Origin comes from no page, or from a page of this server, unless the browser
// says otherwise (Fetch Metadata).
func (w *web) checkOrigin(r *http.Request) *wire.CodedError {
	if err := unknownHost(r, w.Hosts); err != nil {
		return err
	}
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) == 0 && fromElsewhere(r):
		return &wire.CodedError{
			Code:   wire.NotAllowed,
			Reason: "pages of other sites cannot ask for this without an Origin header; one whose origin is allowed with --allow-origin can ask with CORS",
		}
	case len(origins) > 1 || len(origins) == 1 && !isOwn(r, origins[0]) && !slices.Contains(w.AllowOrigins, origins[0]):
		return &wire.CodedError{
			Code:   wire.NotAllowed,
			Reason: fmt.Sprintf("pages of %q may not connect here; the server's operator can allow it with --allow-origin", truncate(origins[0])),
		}
	}
	return nil
}

// isOwn reports whether an Origin field names the server that received the request. Over TLS, an http origin is
// foreign; if a proxy does not say whether TLS was used, both schemes are accepted. Host has many spellings; browsers
// send Origin in lower case (RFC 6454, section 6.2).
func isOwn(r *http.Request, field string) bool {
	o, ok := origin.Parse(field)
	return ok && field == strings.ToLower(field) && o == origin.Of(o.Scheme, r.Host) && (o.Scheme == "https" || !secure(r))
}

// fromElsewhere reports whether a browser says that a page of another origin sent the request.
func fromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// isEmbedded reports whether a page of another origin embeds the response, rather than linking to it.
func isEmbedded(r *http.Request) bool {
	return fromElsewhere(r) && r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// unknownHost returns why the host name of a request does not belong to this server, or nil. With DNS rebinding, a page
// can read this server without sending an Origin, but only under a name of its own.
func unknownHost(r *http.Request, hosts []string) *wire.CodedError {
	name := origin.Hostname(r.Host)
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" || slices.Contains(hosts, name) {
		return nil
	}
	return &wire.CodedError{
		Code:   wire.NotAllowed,
		Reason: fmt.Sprintf("the name %q is not one of this server's; its operator can allow it with --allow-host", truncate(name)),
	}
}

func truncate(s string) string { return s[:min(len(s), 100)] }

// sessionField is the header field for a session. The page uses it, because a proxy in front may need Authorization for
// itself.
const sessionField = "Ramai-Session"

// credential returns the session or the token of a request; empty: none. Without the field, a Bearer token is used. Other schemes of
// Authorization are left to a proxy in front.
func credential(r *http.Request) (string, *wire.CodedError) {
	secret := r.Header.Get(sessionField)
	if secret == "" {
		scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", nil
		}
		secret = strings.TrimLeft(text, " ")
	}
	if wire.CheckSession(secret) != nil && !token.LooksLike(secret) {
		return "", &wire.CodedError{
			Code:   wire.NotAllowed,
			Reason: "a session is 22 characters of base64url, as " + sessionField + " or after Bearer in Authorization; a token is a JWT; without either you are an anonymous sender",
		}
	}
	return secret, nil
}

// whoKey is the key of the chat.Identity in the context of a request.
type whoKey struct{}

// identified returns a request whose sender is known, or why there is none.
func (w *web) identified(r *http.Request) (*http.Request, *wire.CodedError) {
	secret, bad := credential(r)
	if bad != nil || secret == "" {
		return r, bad
	}
	var who chat.Identity
	var err error
	if token.LooksLike(secret) {
		var in chat.SignedIn
		in, err = w.Chat.SignIn(r.Context(), addrOf(r).Addr(), chat.SignInRequest{Token: secret})
		who = in.Identity
	} else {
		who, err = w.Chat.Resolve(secret)
	}
	if err != nil {
		return r, chat.Refusal(err)
	}
	return r.WithContext(context.WithValue(r.Context(), whoKey{}, who)), nil
}

// who returns who has made a request; the zero value: a client without a session, which only the address identifies.
func who(r *http.Request) chat.Identity {
	who, _ := r.Context().Value(whoKey{}).(chat.Identity)
	return who
}

// sender returns the sender id of a request; empty: there is none.
func sender(r *http.Request) string { return who(r).SenderID }

// api returns the handler of a path that pages of allowed origins may use, too (CORS, the Fetch standard).
func (w *web) api(m methods) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		out.Header().Add("Vary", "Origin")
		if err := w.checkOrigin(r); err != nil {
			w.fail(out, err)
			return
		}
		if origin := r.Header.Get("Origin"); slices.Contains(w.AllowOrigins, origin) {
			out.Header().Set("Access-Control-Allow-Origin", origin)
			out.Header().Set("Access-Control-Expose-Headers", "Retry-After")
			if r.Method == http.MethodOptions {
				out.Header().Set("Access-Control-Allow-Methods", m.names())
				out.Header().Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, "+sessionField)
				out.Header().Set("Access-Control-Max-Age", "600")
				out.WriteHeader(http.StatusNoContent)
				return
			}
		}
		r, err := w.identified(r)
		switch {
		case err == nil:
		case err.Code == wire.NotAllowed:
			out.Header().Set("WWW-Authenticate", "Bearer")
			w.refuse(out, http.StatusUnauthorized, err)
			return
		default:
			w.fail(out, err)
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

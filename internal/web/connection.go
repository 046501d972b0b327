package web

import (
	"net/http"
	"net/netip"
)

// forwardedKey is the key of a context value: true if the address of the request is from X-Forwarded-For.
type forwardedKey struct{}

// connection answers GET /api/v1/connection: the caller's own address as the server sees it, and what the server made of
// X-Forwarded-For.
func (w *web) connection(out http.ResponseWriter, r *http.Request) {
	forwarded := "no"
	if used, _ := r.Context().Value(forwardedKey{}).(bool); used {
		forwarded = "used"
	} else if r.Header["X-Forwarded-For"] != nil {
		forwarded = "ignored"
	}
	answer(out, http.StatusOK, struct {
		Address   netip.Addr `json:"address"`
		Forwarded string     `json:"forwarded"`
	}{addrOf(r).Addr().Unmap(), forwarded})
}

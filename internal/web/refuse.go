package web

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ramai/wire"
)

// methods are the handlers of one path.
type methods map[string]http.HandlerFunc

// serve calls the handler of m for r's method. GET's handler answers HEAD.
func (w *web) serve(m methods, out http.ResponseWriter, r *http.Request) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if h := m[method]; h != nil {
		h(out, r)
		return
	}
	out.Header().Set("Allow", m.names())
	w.refuse(out, http.StatusMethodNotAllowed, &wire.CodedError{
		Code: wire.BadRequest, Reason: fmt.Sprintf("the method %.20q is not allowed here (want %s)", r.Method, m.names()),
	})
}

// names lists the methods in the format of headers.
func (m methods) names() string {
	var names []string
	for name := range m {
		names = append(names, name)
		if name == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// refuse answers a request with an error, and counts it. Refusals that come from the log are counted there.
func (w *web) refuse(out http.ResponseWriter, status int, err *wire.CodedError) {
	if w.Refused != nil {
		w.Refused(err.Code)
	}
	refuse(out, status, err)
}

// fail is refuse with the status of err's code.
func (w *web) fail(out http.ResponseWriter, err *wire.CodedError) {
	w.refuse(out, statusOf(err.Code), err)
}

// refusal is the body of an answer that refuses a request.
type refusal struct {
	Code   wire.Code   `json:"code"`
	Reason string      `json:"reason"`
	Rule   string      `json:"rule,omitempty"` // with Params and Until, see wire.CodedError
	Params wire.Params `json:"params,omitempty"`
	Until  wire.Time   `json:"until,omitempty"`
}

func refuse(out http.ResponseWriter, status int, err *wire.CodedError) {
	if err.RetryAfter > 0 {
		out.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(err.RetryAfter.Seconds()))))
	}
	answer(out, status, refusal{err.Code, err.Reason, err.Rule, err.Params, err.Until})
}

// statusOf is the HTTP status of a code.
func statusOf(code wire.Code) int {
	switch code {
	case wire.BadRequest, wire.BadFrame:
		return http.StatusBadRequest
	case wire.NotAllowed, wire.Held:
		return http.StatusForbidden
	case wire.NameTaken, wire.IDReused, wire.Closed:
		return http.StatusConflict
	case wire.Gone:
		return http.StatusGone
	case wire.TooLong:
		return http.StatusRequestEntityTooLarge
	case wire.RateLimited:
		return http.StatusTooManyRequests
	case wire.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

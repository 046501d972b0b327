package web

import (
	"net/http"

	"ramai/wire"
)

// Tools returns the handler of a separate port for an operator's tools, which serves GET on paths. It rejects requests
// from pages: a host name that is not among hosts (nor localhost, nor an address), an Origin, and embedding by a page
// of another site (Fetch Metadata). Refusals have the same JSON body as everywhere.
func Tools(hosts []string, paths map[string]http.HandlerFunc) http.Handler {
	w := new(web)
	mux := http.NewServeMux()
	for path, h := range paths {
		m := methods{http.MethodGet: h}
		mux.HandleFunc(path, func(out http.ResponseWriter, r *http.Request) { w.serve(m, out, r) })
	}
	mux.HandleFunc("/", func(out http.ResponseWriter, _ *http.Request) {
		w.refuse(out, http.StatusNotFound, &wire.CodedError{Code: wire.BadRequest, Reason: "there is nothing here; this port is for the operator's tools"})
	})
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		err := unknownHost(r, hosts)
		if err == nil && (r.Header["Origin"] != nil || fromElsewhere(r)) {
			err = &wire.CodedError{Code: wire.NotAllowed, Reason: "pages may not read this; open the address itself"}
		}
		if err != nil {
			w.fail(out, err)
			return
		}
		mux.ServeHTTP(out, r)
	})
}

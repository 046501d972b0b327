package web

import (
	"net/http"

	"ramai/wire"
)

// Tools returns the handler of what an operator's tools ask on a port of its own: paths, each with what answers GET. It lets
// nobody in who comes from a page: neither by a name that is not among hosts (nor localhost, nor an address), nor with an Origin,
// nor as something that a page of another site embeds (Fetch Metadata). Its refusals have the JSON body of all refusals.
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

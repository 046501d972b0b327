package web

import (
	"net/http"
	"sync"
	"time"

	"ramai/internal/chat"
	"ramai/internal/room"
	"ramai/wire"
)

// handOver answers an actor with something that read makes from stored records and write writes. read returns which records
// these are. If one of them is erased before the first byte is written, or the actor may not read the room any more, read is
// called again; if that happens later, the connection is closed. An error of read is returned, and nothing is written.
func (w *web) handOver(out http.ResponseWriter, a *chat.Actor, read func(again bool) ([]room.Range, *wire.CodedError), write func()) *wire.CodedError {
	for again := false; ; again = true {
		since := w.Chat.ErasureMark()
		ranges, err := read(again)
		if err != nil {
			return err
		}
		if len(ranges) == 0 {
			write()
			return nil
		}
		response := response{control: http.NewResponseController(out)}
		exposure, ok := w.Chat.Expose(since, a, response.abort, ranges...)
		if !ok {
			continue
		}
		defer exposure.Release()
		write()
		response.end()
		return nil
	}
}

// response is a response whose bytes may have to be withheld.
type response struct {
	control *http.ResponseController
	mu      sync.Mutex
	ended   bool // guarded by mu: all bytes were handed over
}

// abort makes the writes of the response fail, including one that is blocked. The connection is closed then.
func (r *response) abort() {
	go func() { // HTTP/2 may wait
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.ended {
			r.control.SetWriteDeadline(time.Unix(1, 0))
		}
	}()
}

// end hands over the buffered bytes.
func (r *response) end() {
	r.control.Flush() // an error means that the client is gone, or that the response was aborted
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// rangeOf returns the ranges of a page's records. That of an empty page has no records, but a room.
func rangeOf(name string, messages []wire.Message) []room.Range {
	read := room.Range{Room: name, From: 1}
	if k := len(messages); k > 0 {
		read.From, read.To = messages[0].N, messages[k-1].N
	}
	return []room.Range{read}
}

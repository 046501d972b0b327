// The original chat on coder/websocket: one goroutine and one channel a client.
package main

import (
	"net/http"
	"os"
	"sync"

	"github.com/coder/websocket"
)

func main() {
	var mu sync.RWMutex
	clients := map[chan []byte]bool{}
	http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		ch := make(chan []byte, 256)
		c.Write(r.Context(), websocket.MessageText, []byte("Welcome to chat! Type a message"))
		mu.Lock()
		clients[ch] = true
		mu.Unlock()
		go func() {
			for m := range ch { // until the program ends: nobody closes the channel
				c.Write(r.Context(), websocket.MessageText, m) // after an error it only empties the channel
			}
		}()
		for {
			_, m, err := c.Read(r.Context())
			if err != nil {
				mu.Lock()
				delete(clients, ch)
				mu.Unlock()
				return
			}
			mu.RLock()
			for ch := range clients {
				ch <- m // waits for the slowest: nothing is dropped
			}
			mu.RUnlock()
		}
	}))
}

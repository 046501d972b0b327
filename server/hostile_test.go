package server_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	wsframe "ramai/internal/frame"
	"ramai/server"
	"ramai/wire"
)

var crowdOf = flag.Int("crowd", 8, "how many do each hostile thing at once in TestHostile")

// raw is a frame whose header may be any.
func raw(first byte, length []byte, payload string) string {
	return string([]byte{first}) + string(length) + "\x00\x00\x00\x00" + payload
}

// text, cont and their like are well-formed frames with a mask of zeros.
func framed(first byte, payload string) string {
	f := wsframe.AppendMasked(nil, wsframe.Op(first&0xf), []byte(payload), [4]byte{})
	f[0] = first
	return string(f)
}

func big64(n uint64) []byte {
	return append([]byte{0x80 | 127}, binary.BigEndian.AppendUint64(nil, n)...)
}

func bomb() string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	w.Write(make([]byte, 20<<20))
	w.Flush()
	return framed(0xc1, strings.TrimSuffix(b.String(), "\x00\x00\xff\xff"))
}

// hostile is one row of the matrix: something hostile, in the form that it has at each door, and what it comes to there.
// Nothing of it is ever stored.
type hostile struct {
	name   string
	frames [2]string // sent to the plain door and to ramai.v1, after the handshake; a second empty one is like the first
	post   string    // head and body of a request to say something; see request
	stream string    // of a request for a stream, and what follows it
	shake  string    // of a handshake
	want   [5]string // plain, v1, POST, stream, handshake
}

const (
	say    = "POST /api/v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
	listn  = "GET /api/v1/rooms/lobby/stream HTTP/1.1\r\nHost: localhost\r\n"
	shake  = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	key    = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	plainT = "Content-Type: text/plain\r\n"
	jsonT  = "Content-Type: application/json\r\n"
)

// body is what ends a head that says how long the body is.
func body(s string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(s), s) }

func at(path, head string) string {
	_, rest, _ := strings.Cut(head, " ")
	_, rest, _ = strings.Cut(rest, " ")
	method, _, _ := strings.Cut(head, " ")
	return method + " " + path + " " + rest
}

func named(name string) string { return at("/?name="+name, shake) + key + "\r\n" }

const (
	inRoom   = "/api/v1/rooms/"
	messages = "/messages"
)

func matrix() []hostile {
	long := strings.Repeat("x", 70000)
	fragments := func(payload string) string {
		return framed(0x01, payload) + strings.Repeat(framed(0x00, payload), 300)
	}
	rows := []hostile{
		{
			"not UTF-8", [2]string{framed(0x81, "a\xffb")}, say + plainT + body("a\xffb"),
			at(inRoom+"lobby/stream?after=%ff", listn) + "\r\n", at("/r/%ff", shake) + key + "\r\n",
			[5]string{"closes 1007", "closes 1007", "HTTP 400", "HTTP 400", "HTTP 404"},
		}, {
			"not UTF-8, over fragments", [2]string{framed(0x01, "\xe2\x82") + framed(0x80, "(")},
			say + jsonT + "Transfer-Encoding: chunked\r\n\r\n" + "b\r\n{\"text\":\"\xe2\x82\r\n3\r\n(\"}\r\n0\r\n\r\n",
			listn + "\r\n\xff\xe2\x82(", shake + "Sec-WebSocket-Key: \xff\r\n\r\n",
			[5]string{"closes 1007", "closes 1007", "HTTP 400", "lives", "HTTP 400"},
		}, {
			"binary", [2]string{framed(0x82, "x")}, say + "Content-Type: application/octet-stream\r\n" + body("x"),
			listn + "Accept: application/octet-stream\r\n\r\n\x00\x01\x02", shake[:strings.Index(shake, "Sec-WebSocket-Version")] + "Sec-WebSocket-Version: 8\r\n" + key + "\r\n",
			[5]string{"closes 1003", "closes 1003", "HTTP 415", "lives", "HTTP 426"},
		}, {
			"oversize", [2]string{framed(0x81, long)}, say + plainT + body(long),
			at(inRoom+"lobby/stream?after="+long, listn) + "\r\n", shake + key + "X: " + long + "\r\n\r\n",
			[5]string{"closes 1009", "closes 1009", "HTTP 413", "HTTP 431", "HTTP 431"},
		}, {
			"a size of 2^40 is claimed", [2]string{raw(0x81, big64(1<<40), "x")}, say + plainT + "Content-Length: 1099511627776\r\n\r\nx",
			listn + "Content-Length: 1099511627776\r\n\r\nx", at("/r/Bad", shake) + key + "Content-Length: 1099511627776\r\n\r\nx",
			[5]string{"closes 1009", "closes 1009", "HTTP 413", "lives", "HTTP 404"},
		}, {
			"a size of 2^63 is claimed", [2]string{raw(0x81, big64(1<<63), "x")}, say + plainT + "Content-Length: 9223372036854775808\r\n\r\nx",
			listn + "Content-Length: 9223372036854775808\r\n\r\n", shake + key + "Content-Length: 9223372036854775808\r\n\r\n",
			[5]string{"closes 1002", "closes 1002", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"fragments without end", [2]string{fragments("a")},
			say + plainT + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 5000),
			listn + "\r\n" + strings.Repeat("x\r\n", 5000), shake + key + strings.Repeat("X: x\r\n", 5000) + "\r\n",
			[5]string{"closes 1008", "closes 1008", "HTTP 400", "lives", "HTTP 431"},
		}, {
			"empty fragments", [2]string{fragments("")}, say + jsonT + body(""),
			at(inRoom+"lobby/stream?after=", listn) + "Last-Event-ID:\r\n\r\n\r\n\r\n", shake + "Sec-WebSocket-Key:\r\n\r\n",
			[5]string{"closes 1008", "closes 1008", "HTTP 400", "lives", "HTTP 400"},
		}, {
			"a bomb", [2]string{bomb()}, say + plainT + "Content-Encoding: gzip\r\n" + body("\x1f\x8b\x08"),
			listn + "Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n\r\n\x1f\x8b", shake + "Sec-WebSocket-Extensions: permessage-deflate; =\r\n" + key + "\r\n",
			[5]string{"closes 1009", "closes 1009", "HTTP 415", "lives", "HTTP 400"},
		}, {
			"unmasked", [2]string{"\x81\x01x"}, "POST\r\n\r\n", "GET /api/v1/rooms/lobby/stream\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + "\r\n",
			[5]string{"closes 1002", "closes 1002", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"reserved bits", [2]string{framed(0xa1, "x")}, say + plainT + "Transfer-Encoding: gzip\r\n\r\nx",
			listn + "Transfer-Encoding: gzip\r\n\r\nx", strings.Replace(shake, "HTTP/1.1", "HTTP/9.9", 1) + key + "\r\n",
			[5]string{"closes 1002", "closes 1002", "HTTP 501", "HTTP 501", "HTTP 505"},
		}, {
			"a long ping", [2]string{raw(0x89, []byte{0x80 | 126, 0, 126}, strings.Repeat("x", 126))}, say + "X y: z\r\n" + plainT + body("x"),
			listn + "X y: z\r\n\r\n", shake + key + "X y: z\r\n\r\n",
			[5]string{"closes 1002", "closes 1002", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"a fragmented ping", [2]string{framed(0x09, "x")}, say + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
			listn + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", shake + key + "Host: other\r\n\r\n",
			[5]string{"closes 1002", "closes 1002", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"a bad close code", [2]string{framed(0x88, "\x03\xed")}, strings.Replace(say, "POST", "CONNECT", 1) + "\r\n",
			strings.Replace(listn, "GET", "POST", 1) + body(""), strings.Replace(shake, "GET", "POST", 1) + key + body(""),
			[5]string{"closes 1002", "closes 1002", "HTTP 405", "HTTP 405", "HTTP 405"},
		}, {
			"a length that is not minimal", [2]string{raw(0x81, []byte{0x80 | 126, 0, 1}, "x")}, say + plainT + "Content-Length: 0x1\r\n\r\nx",
			listn + "Content-Length: +1\r\n\r\nx", shake + key + "Content-Length: 1 1\r\n\r\n",
			[5]string{"closes 1002", "closes 1002", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"unknown types", [2]string{framed(0x83, "x"), framed(0x81, `{"type":"dance"}`)}, say + "Content-Type: text/html\r\n" + body("x"),
			at(inRoom+"lobby/dance", listn) + "\r\n", at("/dance", shake) + key + "\r\n",
			[5]string{"closes 1002", "error bad_request", "HTTP 415", "HTTP 404", "HTTP 404"},
		}, {
			"broken", [2]string{framed(0x81, "a\x07b"), framed(0x81, `{"type":"say",`)}, say + jsonT + body(`{"text":`),
			listn + "Last-Event-ID: log:x\r\n\r\n", at("/?last=x", shake) + key + "\r\n",
			[5]string{"told", "error bad_frame", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"20,000 brackets", [2]string{framed(0x81, strings.Repeat("[", 20000))}, say + jsonT + body(strings.Repeat("[", 20000)),
			at(inRoom+"lobby/stream?after="+strings.Repeat("[", 5000), listn) + "\r\n", at("/?last="+strings.Repeat("[", 5000), shake) + key + "\r\n",
			[5]string{"told", "error bad_frame", "HTTP 400", "HTTP 400", "HTTP 400"},
		}, {
			"a room ../x", [2]string{framed(0x81, strings.Repeat("../x", 1001)), framed(0x81, `{"type":"say","room":"../x","id":"a","text":"x"}`)},
			at(inRoom+"..%2fx"+messages, say) + plainT + body("x"), at(inRoom+"..%2fx/stream", listn) + "\r\n", at("/r/..%2fx", shake) + key + "\r\n",
			[5]string{"told", "refused bad_request", "HTTP 404", "HTTP 404", "HTTP 404"},
		}, {
			"a room of 10 kB", [2]string{framed(0x81, long[:10000]), framed(0x81, `{"type":"join","room":"`+long[:10000]+`"}`)},
			at(inRoom+long[:10000]+messages, say) + plainT + body("x"), at(inRoom+long[:10000]+"/stream", listn) + "\r\n", at("/r/"+long[:10000], shake) + key + "\r\n",
			[5]string{"told", "error bad_request", "HTTP 404", "HTTP 404", "HTTP 404"},
		},
	}
	for what, name := range map[string][2]string{ // as it is, and as a part of an address
		"bidi": {"a\u202eb", "a%E2%80%AEb"}, "zero-width": {"a\u200bb", "a%E2%80%8Bb"}, "a look-alike": {"аdmin", "%D0%B0dmin"},
		"4,000 combining marks": {"a" + strings.Repeat("\u0301", 4000), "a" + strings.Repeat("%CC%81", 2000)},
	} {
		code, status := "error bad_request", "HTTP 400"
		if what == "a look-alike" {
			code, status = "error name_taken", "HTTP 409"
		}
		rows = append(rows, hostile{
			"a name with " + what, [2]string{framed(0x81, "a\x1b[2Jb"), framed(0x81, `{"type":"name","name":"`+name[0]+`"}`)},
			say + plainT + "Authorization: Bearer " + name[1] + "\r\n" + body("x"), listn + "Authorization: Bearer " + name[1] + "\r\n\r\n", named(name[1]),
			[5]string{"told", code, "HTTP 401", "HTTP 401", status},
		})
	}
	for _, origin := range []string{
		"null", "http://sub.localhost", "http://localhost.evil.example", "http://localhost:81", "http://LOCALHOST", "https://evil.example", "http://localhost, http://evil.example",
	} {
		o := "Origin: " + origin + "\r\n"
		rows = append(rows, hostile{
			"an origin " + origin, [2]string{"handshake " + o}, say + plainT + o + body("x"), listn + o + "\r\n", shake + key + o + "\r\n",
			[5]string{"HTTP 403", "HTTP 403", "HTTP 403", "HTTP 403", "HTTP 403"},
		})
	}
	evil := func(head string) string {
		return strings.Replace(head, "Host: localhost", "Host: evil.example\r\nOrigin: http://evil.example", 1)
	}
	return append(rows, hostile{
		"DNS rebinding", [2]string{"handshake Host: evil.example\r\nOrigin: http://evil.example\r\n"}, evil(say) + plainT + body("x"),
		strings.Replace(listn, "localhost", "evil.example", 1) + "\r\n", evil(shake) + key + "\r\n",
		[5]string{"HTTP 403", "HTTP 403", "HTTP 403", "HTTP 403", "HTTP 403"},
	}, hostile{
		"silence", [2]string{"trickle "}, "trickle ", "trickle ", "trickle ", [5]string{"cut", "cut", "cut", "cut", "cut"},
	}, hostile{
		"one byte a second", [2]string{"trickle " + shake + key}, "trickle " + say + plainT, "trickle " + listn, "trickle " + shake + key,
		[5]string{"cut", "cut", "cut", "cut", "cut"},
	}, hostile{
		"a body of one byte a second", [2]string{"trickle x"}, say + plainT + "Content-Length: 100\r\n\r\n<trickle>", "trickle x", "trickle x",
		[5]string{"cut", "cut", "HTTP 400", "cut", "cut"},
	})
}

// TestHostile has many do each hostile thing at each door at once, while an honest client goes on talking, and holds what
// it comes to against the matrix. Afterwards nothing is stored but what the honest one said, and nothing is left of it:
// no goroutine, no descriptor, no memory.
func TestHostile(t *testing.T) {
	s := serve(t, func(c *server.Config) {
		c.InMemory = true
	})
	address := strings.TrimPrefix(s.url, "ws://")
	honest := dial(t, s.url)
	honest.expect(wire.Greeting)
	said := 0
	talk := func() {
		said++
		honest.say(fmt.Sprint("honest ", said))
		honest.expect(fmt.Sprint("honest ", said))
	}
	talk()
	http.DefaultClient.CloseIdleConnections()
	goroutines, descriptors, memory := runtime.NumGoroutine(), openFiles(t), heap()
	var all, slow sync.WaitGroup
	rows := matrix()
	slices.SortStableFunc(rows, func(a, b hostile) int { return cmp.Compare(b.lasts(), a.lasts()) }) // what lasts, lasts beside the rest
	for _, row := range rows {
		cells := [5]string{row.frames[0], row.frames[1], row.post, row.stream, row.shake}
		if cells[1] == "" {
			cells[1] = cells[0]
		}
		for door, input := range cells {
			if input == "" || row.want[door] == "" {
				t.Fatalf("%s: door %d has an empty cell", row.name, door)
			}
			group, crowd := &all, *crowdOf
			if strings.Contains(input, "trickle") { // they last, and there are descriptors for so many
				group, crowd = &slow, min(crowd, 400)
			}
			for range crowd {
				group.Go(func() {
					if got := attack(t.Context(), address, door, input); got != row.want[door] {
						t.Errorf("%s at door %d: %s, want %s", row.name, door, got, row.want[door])
					}
				})
			}
		}
		talk()
		all.Wait()
		talk()
	}
	slow.Wait()
	talk()
	if _, body, _ := get(t, "http://"+address+"/api/v1/rooms/lobby/messages?limit=500"); strings.Count(body, `"n":`) != said {
		t.Errorf("the honest client said %d things, and there is %s", said, body)
	}
	http.DefaultClient.CloseIdleConnections()
	most := memory + 4<<20 + uint64(*crowdOf)<<13 // the runtime keeps half a kB of each goroutine that there was at once
	var g, d int
	var m uint64
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		g, d, m = runtime.NumGoroutine(), openFiles(t), heap()
		if g <= goroutines+2 && d <= descriptors+2 && m <= most {
			return
		}
		if time.Now().After(deadline) {
			break
		}
	}
	t.Errorf("%d goroutines, %d descriptors and %d bytes of memory became %d, %d and %d", goroutines, descriptors, memory, g, d, m)
}

// lasts is 1 for what takes as long as the server waits, otherwise 0.
func (h hostile) lasts() int { return strings.Count(h.shake, "trickle ") }

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not on this system
	}
	return len(all)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// attack does one hostile thing and says what it came to: "lives", "told" (a notice, or an answer, and it lives), "error
// CODE" and "refused CODE" (the same on ramai.v1), "closes CODE", "HTTP STATUS" or "cut".
func attack(ctx context.Context, address string, door int, input string) string {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(nc)
	if bytes, ok := strings.CutPrefix(input, "trickle "); ok {
		if got := trickle(nc, in, bytes); got != "HTTP 400" { // net/http answers some of them, and then hangs up
			return got
		}
		return "cut"
	}
	if door > 1 {
		head, slowly, _ := strings.Cut(input, "<trickle>")
		io.WriteString(nc, head)
		if strings.Contains(input, "<trickle>") {
			return trickle(nc, in, strings.Repeat("x", 40)+slowly)
		}
		return status(in, door == 3)
	}
	greeting := shake + key
	if extra, ok := strings.CutPrefix(input, "handshake "); ok {
		if strings.HasPrefix(extra, "Host:") {
			greeting = strings.Replace(greeting, "Host: localhost\r\n", "", 1)
		}
		io.WriteString(nc, greeting+extra+"\r\n")
		return status(in, false)
	}
	if door == 1 {
		greeting += "Sec-WebSocket-Protocol: " + wire.Protocol + "\r\n"
	}
	if input[0]&0x40 != 0 && input[0]&0x30 == 0 {
		greeting += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	}
	io.WriteString(nc, greeting+"\r\n")
	if got := status(in, false); got != "HTTP 101" {
		return got
	}
	go io.WriteString(nc, input+framed(0x89, "alive")) // the server may close before it has taken all
	return afterwards(in)
}

// status is that of an answer, or "lives" for a stream that begins.
func status(in *bufio.Reader, stream bool) string {
	line, err := in.ReadString('\n')
	if err != nil {
		return "cut"
	}
	got := "HTTP " + strings.Fields(line)[1]
	for stream && got == "HTTP 200" || got == "HTTP 101" {
		line, err := in.ReadString('\n')
		if err != nil {
			return "cut"
		}
		if got == "HTTP 101" && line == "\r\n" {
			break
		}
		if strings.HasPrefix(line, "event: joined") {
			return "lives"
		}
	}
	return got
}

// afterwards reads frames until it is clear what became of a connection.
func afterwards(in *bufio.Reader) string {
	dec := wsframe.NewDecoder(&wsframe.Config{Client: true, TextOnly: true, Deflate: true, MaxMessage: 1 << 20, MaxFragments: 1})
	buf := make([]byte, 4096)
	for {
		n, err := in.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			m, used, err := dec.Next(b)
			if err != nil {
				return err.Error()
			}
			b = b[used:]
			switch text := string(m.Payload); {
			case m.Op == wsframe.Text && strings.HasPrefix(text, wire.NoticePrefix):
				return "told"
			case m.Op == wsframe.Text && strings.HasPrefix(text, `{"type":"error"`), m.Op == wsframe.Text && strings.HasPrefix(text, `{"type":"refused"`):
				f, _ := wire.ParseFrame(m.Payload)
				if r, ok := f.(wire.Refused); ok {
					return "refused " + string(r.Code)
				}
				return "error " + string(f.(wire.Error).Code)
			case m.Op == wsframe.Pong && text == "alive":
				return "lives"
			case m.Op == wsframe.Close:
				code, _ := wsframe.CloseCode(m.Payload)
				return fmt.Sprint("closes ", code)
			}
		}
		if err != nil {
			return "cut"
		}
	}
}

// trickle sends a byte a second until the other side has enough.
func trickle(nc net.Conn, in *bufio.Reader, bytes string) string {
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for i := range len(bytes) {
			if _, err := nc.Write([]byte{bytes[i]}); err != nil {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-stop:
				return
			}
		}
	}()
	return status(in, false)
}

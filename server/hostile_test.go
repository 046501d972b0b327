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

var crowdOf = flag.Int("crowd", 8, "number of copies of each attack that TestHostile runs at once")

// raw returns a frame with any header.
func raw(first byte, length []byte, payload string) string {
	return string([]byte{first}) + string(length) + "\x00\x00\x00\x00" + payload
}

// framed returns a well-formed frame with a mask of zeros.
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

// target is what is attacked.
type target string

// The targets.
const (
	toPlain     target = "plain"     // frames after a handshake for the plain protocol
	toV1        target = "v1"        // frames after a handshake for ramai.v1
	toPost      target = "post"      // head and body of a request to post a message
	toStream    target = "stream"    // head of a request for a stream, and the bytes after it
	toHandshake target = "handshake" // head of a handshake
)

// perTarget has a value for each target.
type perTarget struct{ plain, v1, post, stream, handshake string }

func (p perTarget) all() map[target]string {
	return map[target]string{toPlain: p.plain, toV1: p.v1, toPost: p.post, toStream: p.stream, toHandshake: p.handshake}
}

// hostile is one row of the matrix: an attack on each target, and its results. Nothing of it is ever stored.
type hostile struct {
	name  string
	input perTarget // v1 is the same as plain if it is empty
	want  perTarget // see attack
}

const (
	say    = "POST /api/v1/rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\n"
	listn  = "GET /api/v1/rooms/lobby/stream HTTP/1.1\r\nHost: localhost\r\n"
	shake  = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	key    = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	plainT = "Content-Type: text/plain\r\n"
	jsonT  = "Content-Type: application/json\r\n"
)

// body returns the end of a head with the length of the body, and the body.
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
			name: "not UTF-8",
			input: perTarget{
				plain:     framed(0x81, "a\xffb"),
				post:      say + plainT + body("a\xffb"),
				stream:    at(inRoom+"lobby/stream?after=%ff", listn) + "\r\n",
				handshake: at("/r/%ff", shake) + key + "\r\n",
			},
			want: perTarget{plain: "closes 1007", v1: "closes 1007", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 404"},
		}, {
			name: "not UTF-8, over fragments",
			input: perTarget{
				plain:     framed(0x01, "\xe2\x82") + framed(0x80, "("),
				post:      say + jsonT + "Transfer-Encoding: chunked\r\n\r\n" + "b\r\n{\"text\":\"\xe2\x82\r\n3\r\n(\"}\r\n0\r\n\r\n",
				stream:    listn + "\r\n\xff\xe2\x82(",
				handshake: shake + "Sec-WebSocket-Key: \xff\r\n\r\n",
			},
			want: perTarget{plain: "closes 1007", v1: "closes 1007", post: "HTTP 400", stream: "lives", handshake: "HTTP 400"},
		}, {
			name: "binary",
			input: perTarget{
				plain:     framed(0x82, "x"),
				post:      say + "Content-Type: application/octet-stream\r\n" + body("x"),
				stream:    listn + "Accept: application/octet-stream\r\n\r\n\x00\x01\x02",
				handshake: shake[:strings.Index(shake, "Sec-WebSocket-Version")] + "Sec-WebSocket-Version: 8\r\n" + key + "\r\n",
			},
			want: perTarget{plain: "closes 1003", v1: "closes 1003", post: "HTTP 415", stream: "lives", handshake: "HTTP 426"},
		}, {
			name: "oversize",
			input: perTarget{
				plain:     framed(0x81, long),
				post:      say + plainT + body(long),
				stream:    at(inRoom+"lobby/stream?after="+long, listn) + "\r\n",
				handshake: shake + key + "X: " + long + "\r\n\r\n",
			},
			want: perTarget{plain: "closes 1009", v1: "closes 1009", post: "HTTP 413", stream: "HTTP 431", handshake: "HTTP 431"},
		}, {
			name: "a declared size of 2^40",
			input: perTarget{
				plain:     raw(0x81, big64(1<<40), "x"),
				post:      say + plainT + "Content-Length: 1099511627776\r\n\r\nx",
				stream:    listn + "Content-Length: 1099511627776\r\n\r\nx",
				handshake: at("/r/Bad", shake) + key + "Content-Length: 1099511627776\r\n\r\nx",
			},
			want: perTarget{plain: "closes 1009", v1: "closes 1009", post: "HTTP 413", stream: "lives", handshake: "HTTP 404"},
		}, {
			name: "a declared size of 2^63",
			input: perTarget{
				plain:     raw(0x81, big64(1<<63), "x"),
				post:      say + plainT + "Content-Length: 9223372036854775808\r\n\r\nx",
				stream:    listn + "Content-Length: 9223372036854775808\r\n\r\n",
				handshake: shake + key + "Content-Length: 9223372036854775808\r\n\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "endless fragments",
			input: perTarget{
				plain:     fragments("a"),
				post:      say + plainT + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 5000),
				stream:    listn + "\r\n" + strings.Repeat("x\r\n", 5000),
				handshake: shake + key + strings.Repeat("X: x\r\n", 5000) + "\r\n",
			},
			want: perTarget{plain: "closes 1008", v1: "closes 1008", post: "HTTP 400", stream: "lives", handshake: "HTTP 431"},
		}, {
			name: "empty fragments",
			input: perTarget{
				plain:     fragments(""),
				post:      say + jsonT + body(""),
				stream:    at(inRoom+"lobby/stream?after=", listn) + "Last-Event-ID:\r\n\r\n\r\n\r\n",
				handshake: shake + "Sec-WebSocket-Key:\r\n\r\n",
			},
			want: perTarget{plain: "closes 1008", v1: "closes 1008", post: "HTTP 400", stream: "lives", handshake: "HTTP 400"},
		}, {
			name: "a bomb",
			input: perTarget{
				plain:     bomb(),
				post:      say + plainT + "Content-Encoding: gzip\r\n" + body("\x1f\x8b\x08"),
				stream:    listn + "Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n\r\n\x1f\x8b",
				handshake: shake + "Sec-WebSocket-Extensions: permessage-deflate; =\r\n" + key + "\r\n",
			},
			want: perTarget{plain: "closes 1009", v1: "closes 1009", post: "HTTP 415", stream: "lives", handshake: "HTTP 400"},
		}, {
			name: "unmasked",
			input: perTarget{
				plain:     "\x81\x01x",
				post:      "POST\r\n\r\n",
				stream:    "GET /api/v1/rooms/lobby/stream\r\n\r\n",
				handshake: "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + "\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "reserved bits",
			input: perTarget{
				plain:     framed(0xa1, "x"),
				post:      say + plainT + "Transfer-Encoding: gzip\r\n\r\nx",
				stream:    listn + "Transfer-Encoding: gzip\r\n\r\nx",
				handshake: strings.Replace(shake, "HTTP/1.1", "HTTP/9.9", 1) + key + "\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 501", stream: "HTTP 501", handshake: "HTTP 505"},
		}, {
			name: "a long ping",
			input: perTarget{
				plain:     raw(0x89, []byte{0x80 | 126, 0, 126}, strings.Repeat("x", 126)),
				post:      say + "X y: z\r\n" + plainT + body("x"),
				stream:    listn + "X y: z\r\n\r\n",
				handshake: shake + key + "X y: z\r\n\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "a fragmented ping",
			input: perTarget{
				plain:     framed(0x09, "x"),
				post:      say + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
				stream:    listn + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
				handshake: shake + key + "Host: other\r\n\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "a bad close code",
			input: perTarget{
				plain:     framed(0x88, "\x03\xed"),
				post:      strings.Replace(say, "POST", "CONNECT", 1) + "\r\n",
				stream:    strings.Replace(listn, "GET", "POST", 1) + body(""),
				handshake: strings.Replace(shake, "GET", "POST", 1) + key + body(""),
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 405", stream: "HTTP 405", handshake: "HTTP 415"},
		}, {
			name: "a length that is not minimal",
			input: perTarget{
				plain:     raw(0x81, []byte{0x80 | 126, 0, 1}, "x"),
				post:      say + plainT + "Content-Length: 0x1\r\n\r\nx",
				stream:    listn + "Content-Length: +1\r\n\r\nx",
				handshake: shake + key + "Content-Length: 1 1\r\n\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "closes 1002", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "unknown types",
			input: perTarget{
				plain: framed(0x83, "x"), v1: framed(0x81, `{"type":"dance"}`),
				post:      say + "Content-Type: text/html\r\n" + body("x"),
				stream:    at(inRoom+"lobby/dance", listn) + "\r\n",
				handshake: at("/dance", shake) + key + "\r\n",
			},
			want: perTarget{plain: "closes 1002", v1: "error bad_request", post: "HTTP 415", stream: "HTTP 404", handshake: "HTTP 404"},
		}, {
			name: "broken",
			input: perTarget{
				plain: framed(0x81, "a\x07b"), v1: framed(0x81, `{"type":"say",`),
				post:      say + jsonT + body(`{"text":`),
				stream:    listn + "Last-Event-ID: log:x\r\n\r\n",
				handshake: at("/?last=x", shake) + key + "\r\n",
			},
			want: perTarget{plain: "notice", v1: "error bad_frame", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "20,000 brackets",
			input: perTarget{
				plain:     framed(0x81, strings.Repeat("[", 20000)),
				post:      say + jsonT + body(strings.Repeat("[", 20000)),
				stream:    at(inRoom+"lobby/stream?after="+strings.Repeat("[", 5000), listn) + "\r\n",
				handshake: at("/?last="+strings.Repeat("[", 5000), shake) + key + "\r\n",
			},
			want: perTarget{plain: "notice", v1: "error bad_frame", post: "HTTP 400", stream: "HTTP 400", handshake: "HTTP 400"},
		}, {
			name: "a room ../x",
			input: perTarget{
				plain: framed(0x81, strings.Repeat("../x", 1001)), v1: framed(0x81, `{"type":"say","room":"../x","id":"a","text":"x"}`),
				post:      at(inRoom+"..%2fx"+messages, say) + plainT + body("x"),
				stream:    at(inRoom+"..%2fx/stream", listn) + "\r\n",
				handshake: at("/r/..%2fx", shake) + key + "\r\n",
			},
			want: perTarget{plain: "notice", v1: "refused bad_request", post: "HTTP 404", stream: "HTTP 404", handshake: "HTTP 404"},
		}, {
			name: "a room of 10 kB",
			input: perTarget{
				plain: framed(0x81, long[:10000]), v1: framed(0x81, `{"type":"join","room":"`+long[:10000]+`"}`),
				post:      at(inRoom+long[:10000]+messages, say) + plainT + body("x"),
				stream:    at(inRoom+long[:10000]+"/stream", listn) + "\r\n",
				handshake: at("/r/"+long[:10000], shake) + key + "\r\n",
			},
			want: perTarget{plain: "notice", v1: "error bad_request", post: "HTTP 404", stream: "HTTP 404", handshake: "HTTP 404"},
		},
	}
	for what, name := range map[string][2]string{ // raw, and escaped in a URL
		"bidi": {"a\u202eb", "a%E2%80%AEb"}, "zero-width": {"a\u200bb", "a%E2%80%8Bb"}, "a look-alike": {"аdmin", "%D0%B0dmin"},
		"4,000 combining marks": {"a" + strings.Repeat("\u0301", 4000), "a" + strings.Repeat("%CC%81", 2000)},
	} {
		code, status := "error bad_request", "HTTP 400"
		if what == "a look-alike" {
			code, status = "error name_taken", "HTTP 409"
		}
		rows = append(rows, hostile{
			name: "a name with " + what,
			input: perTarget{
				plain: framed(0x81, "a\x1b[2Jb"), v1: framed(0x81, `{"type":"name","name":"`+name[0]+`"}`),
				post:      say + plainT + "Authorization: Bearer " + name[1] + "\r\n" + body("x"),
				stream:    listn + "Authorization: Bearer " + name[1] + "\r\n\r\n",
				handshake: named(name[1]),
			},
			want: perTarget{plain: "notice", v1: code, post: "HTTP 401", stream: "HTTP 401", handshake: status},
		})
	}
	for _, origin := range []string{
		"null", "http://sub.localhost", "http://localhost.evil.example", "http://localhost:81", "http://LOCALHOST", "https://evil.example", "http://localhost, http://evil.example",
	} {
		o := "Origin: " + origin + "\r\n"
		rows = append(rows, hostile{
			name: "an origin " + origin,
			input: perTarget{
				plain:     "handshake " + o,
				post:      say + plainT + o + body("x"),
				stream:    listn + o + "\r\n",
				handshake: shake + key + o + "\r\n",
			},
			want: perTarget{plain: "HTTP 403", v1: "HTTP 403", post: "HTTP 403", stream: "HTTP 403", handshake: "HTTP 403"},
		})
	}
	evil := func(head string) string {
		return strings.Replace(head, "Host: localhost", "Host: evil.example\r\nOrigin: http://evil.example", 1)
	}
	return append(append(rows, hostileRecords()...), hostile{
		name: "DNS rebinding",
		input: perTarget{
			plain:     "handshake Host: evil.example\r\nOrigin: http://evil.example\r\n",
			post:      evil(say) + plainT + body("x"),
			stream:    strings.Replace(listn, "localhost", "evil.example", 1) + "\r\n",
			handshake: evil(shake) + key + "\r\n",
		},
		want: perTarget{plain: "HTTP 403", v1: "HTTP 403", post: "HTTP 403", stream: "HTTP 403", handshake: "HTTP 403"},
	}, hostile{
		name: "silence",
		input: perTarget{
			plain:     "trickle ",
			post:      "trickle ",
			stream:    "trickle ",
			handshake: "trickle ",
		},
		want: perTarget{plain: "cut", v1: "cut", post: "cut", stream: "cut", handshake: "cut"},
	}, hostile{
		name: "one byte a second",
		input: perTarget{
			plain:     "trickle " + shake + key,
			post:      "trickle " + say + plainT,
			stream:    "trickle " + listn,
			handshake: "trickle " + shake + key,
		},
		want: perTarget{plain: "cut", v1: "cut", post: "cut", stream: "cut", handshake: "cut"},
	}, hostile{
		name: "a body of one byte a second",
		input: perTarget{
			plain:     "trickle x",
			post:      say + plainT + "Content-Length: 100\r\n\r\n<trickle>",
			stream:    "trickle x",
			handshake: "trickle x",
		},
		want: perTarget{plain: "cut", v1: "cut", post: "HTTP 400", stream: "cut", handshake: "cut"},
	})
}

// TestHostile runs each attack on each target many times at once, while an honest client keeps posting, and compares the
// results with the matrix. Afterwards only the messages of the honest client are stored, and no goroutine, descriptor or
// memory is left.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := serve(t, func(c *server.Config) {
		c.InMemory, c.Rate = true, 0 // many attackers share a session
	})
	address := strings.TrimPrefix(s.url, "ws://")
	fillDen(t, "http://"+address)
	honest := dial(t, s.url)
	honest.expect(wire.Greeting)
	said := 0
	post := func() {
		said++
		honest.say(fmt.Sprint("honest ", said))
		honest.expect(fmt.Sprint("honest ", said))
	}
	post()
	http.DefaultClient.CloseIdleConnections()
	goroutines, descriptors, memory := runtime.NumGoroutine(), openFiles(t), heap()
	var all, slow sync.WaitGroup
	rows := matrix()
	slices.SortStableFunc(rows, func(a, b hostile) int { return cmp.Compare(b.slow(), a.slow()) }) // slow attacks run in parallel with the others
	for _, row := range rows {
		if row.input.v1 == "" {
			row.input.v1 = row.input.plain
		}
		want := row.want.all()
		for to, input := range row.input.all() {
			if input == "" || want[to] == "" {
				t.Fatalf("%s: no input or no result for %s", row.name, to)
			}
			group, crowd := &all, *crowdOf
			if strings.Contains(input, "trickle") { // these are slow, and limited by descriptors
				group, crowd = &slow, min(crowd, 400)
			}
			for range crowd {
				group.Go(func() {
					if got := attack(t.Context(), address, to, input); got != want[to] {
						t.Errorf("%s to %s: %s, want %s", row.name, to, got, want[to])
					}
				})
			}
		}
		post()
		all.Wait()
		post()
	}
	slow.Wait()
	post()
	if _, body, _ := get(t, "http://"+address+"/api/v1/rooms/lobby/messages?limit=500"); strings.Count(body, `"n":`) != said {
		t.Errorf("the honest client posted %d messages, but the history is %s", said, body)
	}
	http.DefaultClient.CloseIdleConnections()
	most := memory + 4<<20 + uint64(*crowdOf)<<13 // the runtime keeps half a kB for each goroutine at the peak
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

// slow returns 1 for attacks that last until a timeout of the server, otherwise 0.
func (h hostile) slow() int { return strings.Count(h.input.handshake, "trickle ") }

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not available on this system
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

// attack runs one attack and returns its result: "lives" (the connection stays open), "notice" (it stays open, after a notice),
// "error CODE" or "refused CODE" (the same on ramai.v1), "closes CODE", "HTTP STATUS", or "cut" (closed without an answer).
func attack(ctx context.Context, address string, to target, input string) string {
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err.Error()
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReader(nc)
	if bytes, ok := strings.CutPrefix(input, "trickle "); ok {
		if got := trickle(nc, in, bytes); got != "HTTP 400" { // net/http answers some of them before it closes
			return got
		}
		return "cut"
	}
	if to != toPlain && to != toV1 {
		head, slowly, _ := strings.Cut(input, "<trickle>")
		io.WriteString(nc, head)
		if strings.Contains(input, "<trickle>") {
			return trickle(nc, in, strings.Repeat("x", 40)+slowly)
		}
		return status(in, to == toStream)
	}
	greeting := shake + key
	if extra, ok := strings.CutPrefix(input, "handshake "); ok {
		if strings.HasPrefix(extra, "Host:") {
			greeting = strings.Replace(greeting, "Host: localhost\r\n", "", 1)
		}
		io.WriteString(nc, greeting+extra+"\r\n")
		return status(in, false)
	}
	if to == toV1 {
		greeting += "Sec-WebSocket-Protocol: " + wire.Protocol + "\r\n"
	}
	if input[0]&0x40 != 0 && input[0]&0x30 == 0 {
		greeting += "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	}
	io.WriteString(nc, greeting+"\r\n")
	if got := status(in, false); got != "HTTP 101" {
		return got
	}
	// The server answers a close frame after the outcome of everything that was posted. It may close before it has read
	// everything.
	go io.WriteString(nc, input+framed(0x88, string(binary.BigEndian.AppendUint16(nil, goodbye))))
	return afterwards(in)
}

// status returns the status of an answer, or "lives" for a stream that begins.
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

// goodbye is the code with which an attacker closes a connection that the server has not closed.
const goodbye = 4321

// afterwards reads frames until the result is known.
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
				return "notice"
			case m.Op == wsframe.Text && strings.HasPrefix(text, `{"type":"error"`), m.Op == wsframe.Text && strings.HasPrefix(text, `{"type":"refused"`):
				f, _ := wire.ParseFrame(m.Payload)
				if r, ok := f.(wire.Refused); ok {
					return "refused " + string(r.Code)
				}
				return "error " + string(f.(wire.Error).Code)
			case m.Op == wsframe.Close:
				code, _ := wsframe.CloseCode(m.Payload)
				if code == goodbye {
					return "lives"
				}
				return fmt.Sprint("closes ", code)
			}
		}
		if err != nil {
			return "cut"
		}
	}
}

// trickle sends a byte per second until the server answers or closes.
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

// Package wire defines what is sent between ramai's clients and its server, as Go values and as bytes.
//
// Two protocols share one port. The plain protocol (no WebSocket subprotocol) uses bare lines, see [Greeting] and
// [AppendLine]. [Protocol] ("ramai.v1") uses one JSON object per text frame: a [Frame] is encoded by [Append] and
// decoded by [ParseRequest] on the server and [ParseFrame] on the client. docs/PROTOCOL.md describes both for authors
// of clients.
//
// The package is pure: it opens no socket, starts no goroutine and reads no clock.
package wire

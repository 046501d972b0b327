// Package wire is what travels between ramai's clients and its server, as Go values and as bytes.
//
// There are two protocols on one port. The plain door (no WebSocket subprotocol) speaks bare lines: see [Welcome] and
// [AppendLine]. The protocol [Protocol] ("ramai.v1") speaks one JSON object a text frame: a [Frame] is encoded by
// [Append] and decoded by [ParseRequest] (at the server) or [ParseFrame] (at the client). The full text for people who
// write clients is docs/PROTOCOL.md.
//
// The package is pure: it opens no socket, starts no goroutine and reads no clock.
package wire

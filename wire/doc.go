// Package wire defines what ramai's clients and its server send, as Go values and as bytes.
//
// There are two protocols on one port. The plain protocol (no WebSocket subprotocol) has lines of text: see [Welcome] and
// [AppendLine]. The protocol [Protocol] ("ramai.v1") has one JSON object per text frame: a [Frame] is encoded by
// [Append] and decoded by [ParseRequest] (on the server) or [ParseFrame] (on the client). docs/PROTOCOL.md is the
// specification.
//
// The package is pure: it opens no socket, starts no goroutine and reads no clock.
package wire

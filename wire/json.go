package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ParseJSON decodes one JSON value from outside into v, which is a pointer. Field names are exact (encoding/json
// accepts "TEXT" for "text"); unknown fields are ignored; the last of duplicate fields counts. Strings must be valid
// Unicode: invalid UTF-8 and unpaired surrogates are errors, because a replacement would change the meaning. A leading
// byte order mark is dropped. The error has the code bad_request.
func ParseJSON(b []byte, v any) *CodedError {
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte(BOM)), v, jsontext.AllowDuplicateNames(true)); err != nil {
		return &CodedError{Code: BadRequest, Reason: describeJSONError(err)}
	}
	return nil
}

// parse is ParseJSON for values from a server. Invalid Unicode is replaced, so that clients can show it.
func parse(b []byte, v any) error {
	if err := json.Unmarshal(b, v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return errors.New(describeJSONError(err))
	}
	return nil
}

// describeJSONError describes a JSON error for people, without names of Go types.
func describeJSONError(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "unexpected end of JSON"
	}
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) && syntax.Err != nil {
		return fmt.Sprintf("%.120s at byte %d", strings.TrimPrefix(syntax.Err.Error(), "jsontext: "), syntax.ByteOffset)
	}
	if wrong := (*json.SemanticError)(nil); errors.As(err, &wrong) && wrong.JSONKind != 0 {
		if wrong.JSONPointer == "" {
			return "it is " + kindName(wrong.JSONKind) + ", not an object"
		}
		return fmt.Sprintf("the field %.40q cannot be %s", wrong.JSONPointer.LastToken(), kindName(wrong.JSONKind))
	}
	return "invalid JSON"
}

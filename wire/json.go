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

// ParseJSON decodes one JSON value that somebody else wrote into v, which is a pointer. Names of fields are exact (encoding/json
// takes "TEXT" for "text"), and unknown ones are ignored; of a name that comes twice the last counts. Strings have to be Unicode:
// what is not UTF-8, and half of a surrogate pair, is an error, because a replacement would change what was meant. A leading
// byte order mark is dropped. The error has the code bad_request.
func ParseJSON(b []byte, v any) *CodedError {
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte(BOM)), v, jsontext.AllowDuplicateNames(true)); err != nil {
		return &CodedError{Code: BadRequest, Reason: describeJSONError(err)}
	}
	return nil
}

// parse is ParseJSON for what a server sent. A client shows what is not Unicode as well as it can.
func parse(b []byte, v any) error {
	if err := json.Unmarshal(b, v, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return errors.New(describeJSONError(err))
	}
	return nil
}

// describeJSONError says what is wrong with JSON, for people, without the names of Go's types.
func describeJSONError(err error) string {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "it ends too early"
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
	return "it cannot be read"
}

package linemode

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	tests := []struct {
		name, in string
		want     []inputLine
	}{
		{"nothing", "", nil},
		{"one", "a\n", []inputLine{{text: "a"}}},
		{"the last without an end", "a\nb", []inputLine{{text: "a"}, {text: "b"}}},
		{"empty lines", "\n\n", []inputLine{{}, {}}},
		{"as on Windows", "a\r\n\r\nb\r", []inputLine{{text: "a"}, {}, {text: "b"}}},
		{"returns inside stay", "a\rb\r\r\n", []inputLine{{text: "a\rb\r"}}},
		{"as long as it may be", long + "\n" + long + "\r\n" + long, []inputLine{{text: long}, {text: long}, {text: long}}},
		{"too long by one", long + "x\nb\n", []inputLine{{tooLong: true}, {text: "b"}}},
		{"far too long", strings.Repeat(long, 5) + "\nb\n", []inputLine{{tooLong: true}, {text: "b"}}},
		{"too long at the end", long + long, []inputLine{{tooLong: true}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(test.in), iotest.DataErrReader(strings.NewReader(test.in)), iotest.HalfReader(strings.NewReader(test.in))} {
				in := bufio.NewReader(r)
				var got []inputLine
				for {
					line, err := readLine(in)
					if errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					got = append(got, line)
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("%d lines, want %d", len(got), len(test.want))
				}
			}
		})
	}
}

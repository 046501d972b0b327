package eventlog

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ramai/wire"
)

// readMethods are the methods of a Tx that write nothing.
var readMethods = []string{"ID", "OldestID", "Record", "Marks", "Counts", "Pending", "Entry", "Entries"}

// TestChainNotesWrites: every method of a Tx that writes is noted with each of its arguments.
func TestChainNotesWrites(t *testing.T) {
	for m := range reflect.TypeFor[Tx]().Methods() {
		if slices.Contains(readMethods, m.Name) {
			continue
		}
		sums := map[[4]uint64]bool{}
		arguments := 0
		for changed := -1; changed < arguments; changed++ {
			var args []reflect.Value
			var parts []reflect.Value
			for i := range m.Type.NumIn() {
				arg := reflect.New(m.Type.In(i)).Elem()
				if arg.Kind() == reflect.Pointer {
					arg.Set(reflect.New(arg.Type().Elem()))
				}
				args, parts = append(args, arg), append(parts, fieldsIn(arg)...)
			}
			if arguments = len(parts); changed >= 0 {
				switch part := parts[changed]; {
				case part.Kind() == reflect.String:
					part.SetString("x")
				case part.CanInt():
					part.SetInt(7)
				case part.CanUint():
					part.SetUint(7)
				case part.Kind() == reflect.Bool:
					part.SetBool(true)
				default:
					part.Set(reflect.ValueOf(wire.TextValue("x")))
				}
			}
			c := &chainTx{} // of no Tx: the call fails after it was noted
			func() {
				defer func() { _ = recover() }()
				reflect.ValueOf(c).MethodByName(m.Name).Call(args)
			}()
			if c.sum == ([4]uint64{}) || sums[c.sum] {
				t.Errorf("%s: the part %d of its arguments is not noted", m.Name, changed)
			}
			sums[c.sum] = true
		}
	}
}

// fieldsIn returns the values that make up v.
func fieldsIn(v reflect.Value) (parts []reflect.Value) {
	switch {
	case v.Kind() == reflect.Pointer:
		return fieldsIn(v.Elem())
	case v.Kind() == reflect.Array:
		return []reflect.Value{v.Index(0)}
	case v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[wire.Value]():
		return []reflect.Value{v}
	}
	for field, part := range v.Fields() {
		if !strings.HasPrefix(field.Name, "_") {
			parts = append(parts, fieldsIn(part)...)
		}
	}
	return parts
}

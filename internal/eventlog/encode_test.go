package eventlog_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// examples returns a command of each kind except Start.
func examples() []eventlog.Command {
	return []eventlog.Command{
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a1", Text: "Selamat pagi, dünya\n", RegisterKey: "anna\x00anna"},
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a2", Text: "x", Once: true},
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a3", Text: "yes", Re: 600},
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a6", Text: "why?", Body: eventlog.SayAs{As: wire.Question}},
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a7", Text: "Tea?", Re: 600, Body: eventlog.SayAs{As: wire.Poll, Options: []string{"yes", "no"}}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a8", Body: eventlog.SetBody{Key: wire.TopicKey, Value: wire.TextValue("Tea")}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a9", Body: eventlog.SetBody{Key: wire.PinKey, Value: wire.Value{Numbers: []uint64{7, 600}}}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "b1", Body: eventlog.SetBody{Key: wire.StageKey, Value: wire.NumberValue(600)}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "b2", Body: eventlog.SetBody{Key: wire.StageKey}},
		{Kind: eventlog.Change, SenderID: "0123456789abcdef", Room: "lobby", ID: "a4", Body: eventlog.ChangeBody{Of: 600, Text: ptr("dünya")}},
		{Kind: eventlog.Change, SenderID: "0123456789abcdef", Room: "lobby", ID: "a5", Body: eventlog.ChangeBody{Of: 600}},
		{Kind: eventlog.ReserveName, SenderID: "0123456789abcdef", Body: eventlog.ReserveNameBody{Name: "Anna", Key: "anna\x00anna", Bound: true, Expiry: 1_790_000_000_000}},
		{Kind: eventlog.ReleaseName, SenderID: "0123456789abcdef"},
		{Kind: eventlog.Trim, Room: "lobby", Body: eventlog.TrimBody{To: 500}},
		{Kind: eventlog.UnregisterName, Body: eventlog.UnregisterNameBody{Name: "Anna", Key: "anna"}},
		{Kind: eventlog.ExpireName, SenderID: "0123456789abcdef", Body: eventlog.ExpireNameBody{Expiry: 1_790_000_000_000}},
		{Kind: eventlog.RotateIDs, Body: eventlog.RotateIDsBody{Generation: 2}},
		{Kind: eventlog.PruneIDs},
		{Kind: eventlog.RemoveRoom, Room: "den", Body: eventlog.RemoveRoomBody{Last: 1 << 40}},
		{Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{MaxRooms: 10_000, EditWindow: 15 * time.Minute}}},
		{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: 3}},
		{Kind: eventlog.Barrier},
		{Kind: eventlog.RenewKeys, Body: eventlog.RenewKeysBody{Keys: []eventlog.RenewedKey{{Old: "old", New: "anna\x00anna"}}}},
		{Kind: eventlog.Mark, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.MarkBody{Of: 600, Key: "❤️", On: true}},
		{Kind: eventlog.Mark, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.MarkBody{Of: 600, Key: "up"}},
		{Kind: eventlog.Tally, Room: "lobby"},
		{Kind: eventlog.PruneMarks},
		{Kind: eventlog.SignIn, SenderID: "0123456789abcdef", Body: eventlog.SignInBody{
			Proof: eventlog.ProofDigest(eventlog.JWTProof, "https://school.example", "anna"), Kind: eventlog.JWTProof, Label: "anna at https://school.example",
			Session: eventlog.SessionDigest("BBBBBBBBBBBBBBBBBBBBBB"), From: eventlog.SessionDigest("AAAAAAAAAAAAAAAAAAAAAA"),
		}},
		{Kind: eventlog.SignIn, SenderID: "0123456789abcdef", Body: eventlog.SignInBody{Session: eventlog.SessionDigest("BBBBBBBBBBBBBBBBBBBBBB")}},
		{Kind: eventlog.SignOut, SenderID: "0123456789abcdef", Body: eventlog.SignOutBody{All: true}},
		{Kind: eventlog.SignOut, SenderID: "0123456789abcdef", Body: eventlog.SignOutBody{Session: eventlog.SessionDigest("BBBBBBBBBBBBBBBBBBBBBB")}},
		{Kind: eventlog.Erase, SenderID: eventlog.OperatorSender, Room: "lobby", ID: "e1", Body: eventlog.EraseBody{By: []string{"0123456789abcdef"}, From: 7, To: 600, Count: 3, Asked: "by 0123456789abcdef"}},
		{Kind: eventlog.Erase, SenderID: eventlog.OperatorSender, Room: "lobby", ID: "e2", Body: eventlog.EraseBody{By: []string{"0123456789abcdef", "1123456789abcdef"}, From: 7, To: 600, Count: 3, Asked: "newcomers", Final: true}},
		{Kind: eventlog.Restore, SenderID: eventlog.OperatorSender, Room: "lobby", ID: "e3", Body: eventlog.RestoreBody{Erasure: 9}},
		{Kind: eventlog.EraseStep, Room: "lobby", Body: eventlog.EraseStepBody{Erasure: 601, Next: 7}},
		{Kind: eventlog.RestoreStep, Room: "lobby", Body: eventlog.RestoreStepBody{Erasure: 601, Next: 7}},
	}
}

// examples4 returns commands that exist from level 4 on.
func examples4() []eventlog.Command {
	return []eventlog.Command{
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a1", Text: "https://example.org", Re: 600, Link: true},
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a2", Text: "x", Once: true, Transient: true, Body: eventlog.SayAs{As: wire.Notice}},
		{Kind: eventlog.Change, SenderID: "0123456789abcdef", Room: "lobby", ID: "a3", Body: eventlog.ChangeBody{Of: 600, Text: ptr("www.example.org"), Link: true}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a4", Body: eventlog.SetBody{Key: wire.LockKey, Value: wire.TextValue(wire.LockOn), Until: 1_790_000_000_000}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a5", Body: eventlog.SetBody{Key: "role/0123456789abcdef", Value: wire.TextValue("trusted")}},
		{Kind: eventlog.PruneEntries, Room: "lobby", Body: eventlog.PruneEntriesBody{Table: eventlog.Senders, Keys: []string{"0123456789abcdef", "x"}}},
		{Kind: eventlog.PruneEntries, Room: "lobby", Body: eventlog.PruneEntriesBody{Keys: []string{wire.LockKey}}},
	}
}

// examples5 returns commands that exist from level 5 on.
func examples5() []eventlog.Command {
	one, two := eventlog.Origin{1, 2, 3, 4, 5, 6, 7, 8}, eventlog.Origin{9, 10, 11, 12, 13, 14, 15, 16}
	return []eventlog.Command{
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a1", Text: "hello", Origin: one},
		{Kind: eventlog.Say, SenderID: "0123456789abcdef", Room: "lobby", ID: "a2", Text: "https://example.org", Re: 600, Link: true, Transient: true, Origin: one, FormerOrigin: two},
		{Kind: eventlog.Change, SenderID: "0123456789abcdef", Room: "lobby", ID: "a3", Body: eventlog.ChangeBody{Of: 600, Text: ptr("dünya")}, Origin: one, FormerOrigin: two},
		{Kind: eventlog.Mark, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.MarkBody{Of: 600, Key: "up", On: true}, Origin: one},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a4", Body: eventlog.SetBody{Key: wire.TopicKey, Value: wire.TextValue("Tea")}, Origin: one},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a5", Body: eventlog.SetBody{Key: wire.AddressKey, Value: wire.TextValue(wire.Mute), Until: 1_790_000_000_000, AddressOf: 600}},
		{Kind: eventlog.Erase, SenderID: eventlog.OperatorSender, Room: "lobby", ID: "a6", Body: eventlog.EraseBody{By: []string{"0123456789abcdef"}, From: 7, To: 600, Count: 3, Asked: "address of 9", Of: [][2]uint64{{7, 9}, {11, 600}}}},
		{Kind: eventlog.RotateAddressKeys, Body: eventlog.RotateAddressKeysBody{Secret: []byte("0123456789abcdef0123456789abcdef")}},
		{Kind: eventlog.PruneEntries, Room: "lobby", Body: eventlog.PruneEntriesBody{Table: eventlog.Origins}},
	}
}

// exampleUndo returns commands that undo something, which have their own golden file.
func exampleUndo() []eventlog.Command {
	return []eventlog.Command{
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a7", Body: eventlog.SetBody{Key: wire.SlowKey, Value: wire.NumberValue(5), Until: 1_790_000_000_000, Replaces: ptr(uint64(600))}},
		{Kind: eventlog.Set, SenderID: "0123456789abcdef", Room: "lobby", ID: "a8", Body: eventlog.SetBody{Key: wire.PresetKey, Replaces: ptr(uint64(0))}},
	}
}

// exampleInvites returns commands about invites, which have their own golden file.
func exampleInvites() []eventlog.Command {
	digest := eventlog.DigestOf("0123456789abcdefABCDEF")
	return []eventlog.Command{
		{Kind: eventlog.Invite, SenderID: "0123456789abcdef", Room: "lobby", ID: "i1", Body: eventlog.InviteBody{Digest: digest, Role: wire.RoleGuest, Uses: 30, Until: 1_790_000_000_123}},
		{Kind: eventlog.Invite, SenderID: "0123456789abcdef", Room: "lobby", ID: "i2", Body: eventlog.InviteBody{Digest: digest, Role: wire.RoleOwner, Uses: 1}},
		{Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{Invite: digest}},
		{Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{Password: digest}},
	}
}

// exampleData returns commands about what is stored of people, which have their own golden file.
func exampleData() []eventlog.Command {
	digest := eventlog.SessionDigest("AAAAAAAAAAAAAAAAAAAAAA")
	return []eventlog.Command{
		{Kind: eventlog.PruneEntries, Body: eventlog.PruneEntriesBody{Table: eventlog.Sessions, Keys: []string{string(digest[:])}}},
		{Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{Role: wire.RoleModerator, Until: 1_790_000_000_123}},
		{Kind: eventlog.Forget, Room: "lobby", Body: eventlog.ForgetBody{By: "0123456789abcdef", Numbers: []uint64{7, 600}}},
		{Kind: eventlog.Forget, Body: eventlog.ForgetBody{By: "0123456789abcdef", Entries: []eventlog.EntryKey{{Table: eventlog.Sessions, Key: digest[:]}}}},
	}
}

// exampleHeld returns commands about held messages and reports.
func exampleHeld() []eventlog.Command {
	return []eventlog.Command{
		{Kind: eventlog.Judge, SenderID: "0123456789abcdef", Room: "lobby", ID: "j1", Body: eventlog.JudgeBody{SenderID: "1123456789abcdef", ID: "h1", Decision: eventlog.Approved}},
		{Kind: eventlog.Judge, SenderID: "0123456789abcdef", Room: "lobby", ID: "j2", Body: eventlog.JudgeBody{SenderID: "0123456789abcdef", ID: "h2", Decision: eventlog.Withdrawn}, Origin: eventlog.Origin{1, 2, 3, 4, 5, 6, 7, 8}},
		{Kind: eventlog.Report, SenderID: "0123456789abcdef", Room: "lobby", ID: "r1", Body: eventlog.ReportBody{Of: 600, Text: "dünya"}},
	}
}

// exampleEraseHeld returns an erasure that rejects held messages.
func exampleEraseHeld() []eventlog.Command {
	return []eventlog.Command{
		{Kind: eventlog.Erase, SenderID: "0123456789abcdef", Room: "lobby", ID: "e1", Body: eventlog.EraseBody{
			By: []string{"1123456789abcdef"}, From: 7, To: 600, Count: 3, Asked: "newcomers", Held: []eventlog.HeldKey{{SenderID: "1123456789abcdef", ID: "h1"}, {SenderID: "1123456789abcdef", ID: "h2"}},
		}},
	}
}

// exampleMembers returns commands about the members of a cluster.
func exampleMembers() []eventlog.Command {
	return []eventlog.Command{
		{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: "m-1", Address: "10.0.0.1:6222", Version: "1.0", Level: 6, Size: 3, Applied: 600, Starts: 7}},
		{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: "m-1", Gone: true}},
	}
}

func ptr[T any](v T) *T { return &v }

func exampleBatch() *eventlog.Batch {
	return &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 9, Commands: examples()}
}

// exampleStart returns the batch of a Start, which is alone in it.
func exampleStart() *eventlog.Batch {
	return &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Commands: []eventlog.Command{
		{Kind: eventlog.Start, Body: eventlog.StartBody{Node: "local", After: 7, Nonce: "qL8R4QIc"}},
	}}
}

// TestEncodingIsStable: the encoding of earlier versions of the program does not change. ramai stores and compares it.
func TestEncodingIsStable(t *testing.T) {
	rules := &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: examples4()}
	invites := &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: exampleInvites()}
	data := &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: exampleData()}
	addresses := &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: examples5()}
	held := &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: exampleHeld()}
	checkGolden(t, "testdata/held.hex", held)
	checkGolden(t, "testdata/eraseheld.hex", &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: exampleEraseHeld()})
	checkGolden(t, "testdata/undo.hex", &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: exampleUndo()})
	checkGolden(t, "testdata/members.hex", &eventlog.Batch{At: 1_790_000_000_123, Node: "local", Incarnation: 7, Seq: 10, Commands: exampleMembers()})
	for file, batch := range map[string]*eventlog.Batch{"testdata/data.hex": data, "testdata/batch5.hex": addresses, "testdata/batch.hex": exampleBatch(), "testdata/start.hex": exampleStart(), "testdata/batch4.hex": rules, "testdata/invites.hex": invites} {
		checkGolden(t, file, batch)
	}
}

func checkGolden(t *testing.T, file string, batch *eventlog.Batch) {
	t.Helper()
	b, err := batch.Encode()
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; the encoding is\n%s", err, hex.EncodeToString(b))
	}
	want, err := hex.DecodeString(strings.Join(strings.Fields(string(golden)), ""))
	if err != nil || !bytes.Equal(b, want) {
		t.Errorf("the encoding is\n%x\nwant, from %s,\n%x (%v)", b, file, want, err)
	}
	back, err := eventlog.DecodeBatch(want)
	if err != nil || !reflect.DeepEqual(back, batch) {
		t.Errorf("decoded, it is\n%+v\nwant\n%+v (%v)", back, batch, err)
	}
}

// TestEveryKind: every kind has an example, so that each has an encoding and its own name.
func TestEveryKind(t *testing.T) {
	encoded, names := map[eventlog.Kind]bool{eventlog.Start: true}, map[string]bool{}
	for _, c := range slices.Concat(examples(), examples4(), examples5(), exampleInvites(), exampleData(), exampleHeld(), exampleMembers(), exampleUndo()) {
		encoded[c.Kind] = true
	}
	for _, kind := range eventlog.Kinds() {
		if !encoded[kind] {
			t.Errorf("there is no example of the kind %v; add one", kind)
		}
		if name := kind.String(); name == "" || names[name] {
			t.Errorf("the kind %d has the name %q, which is empty or another kind's", kind, name)
		}
		names[kind.String()] = true
	}
}

func TestEncodingOfUnknownThings(t *testing.T) {
	good, err := exampleBatch().Encode()
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(good)
	newer[0] = 9
	if _, err := eventlog.DecodeBatch(newer); !errors.Is(err, eventlog.ErrEncodingVersion) || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a batch of another version: %v", err)
	}
	// One command, whose kind is changed from 10 (PruneIDs, say) to 200.
	one, err := (&eventlog.Batch{Commands: []eventlog.Command{{Kind: eventlog.PruneIDs}}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	unknown := bytes.Replace(one, []byte{0x85, 0x09}, []byte{0x85, 0x18, 0xc8}, 1)
	var kind eventlog.UnknownKindError
	if _, err := eventlog.DecodeBatch(unknown); !errors.As(err, &kind) || kind.Kind != 200 {
		t.Errorf("a batch with an unknown kind: %v", err)
	}
	if _, err := (&eventlog.Batch{Commands: []eventlog.Command{{Kind: 200}}}).Encode(); !errors.As(err, &kind) {
		t.Errorf("encoding an unknown kind: %v", err)
	}
	for name, c := range map[string]eventlog.Command{
		"no room":                       {Kind: eventlog.Say, SenderID: "anna", ID: "1", Text: "x"},
		"no sender":                     {Kind: eventlog.Say, Room: "lobby", ID: "1", Text: "x"},
		"no id":                         {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", Text: "x"},
		"not UTF-8":                     {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "\xff"},
		"a text of a trim":              {Kind: eventlog.Trim, Room: "lobby", Text: "x", Body: eventlog.TrimBody{}},
		"no body":                       {Kind: eventlog.Trim, Room: "lobby"},
		"another kind's":                {Kind: eventlog.Trim, Room: "lobby", Body: eventlog.RemoveRoomBody{}},
		"a body of a say":               {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.TrimBody{}},
		"a body of a prune":             {Kind: eventlog.PruneIDs, Body: eventlog.TrimBody{}},
		"a room of a start":             {Kind: eventlog.Start, Room: "lobby", Body: eventlog.StartBody{Node: "a", Nonce: "b"}},
		"a start of no node":            {Kind: eventlog.Start, Body: eventlog.StartBody{Nonce: "b"}},
		"a change of 0":                 {Kind: eventlog.Change, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.ChangeBody{}},
		"a change, not UTF-8":           {Kind: eventlog.Change, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.ChangeBody{Of: 1, Text: ptr("\xff")}},
		"a long change":                 {Kind: eventlog.Change, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.ChangeBody{Of: 1, Text: ptr(strings.Repeat("x", 1<<18+1))}},
		"a change with a text of a say": {Kind: eventlog.Change, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.ChangeBody{Of: 1}},
		"a form of nothing":             {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.SayAs{}},
		"an unknown form":               {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.SayAs{As: "song"}},
		"a question with options":       {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.SayAs{As: wire.Question, Options: []string{"a", "b"}}},
		"a poll with one option":        {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.SayAs{As: wire.Poll, Options: []string{"a"}}},
		"equal options":                 {Kind: eventlog.Say, SenderID: "anna", Room: "lobby", ID: "1", Text: "x", Body: eventlog.SayAs{As: wire.Poll, Options: []string{"a", "a"}}},
		"a poll of a change":            {Kind: eventlog.Change, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.SayAs{As: wire.Question}},
		"an unknown key":                {Kind: eventlog.Set, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.SetBody{Key: "colour", Value: wire.TextValue("red")}},
		"another key's value":           {Kind: eventlog.Set, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.SetBody{Key: "stage", Value: wire.TextValue("red")}},
		"a set without an id":           {Kind: eventlog.Set, SenderID: "anna", Room: "lobby", Body: eventlog.SetBody{Key: "stage"}},
		"an invite without a role":      {Kind: eventlog.Invite, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.InviteBody{Digest: eventlog.DigestOf("x"), Uses: 1, Until: 1}},
		"an invite without uses":        {Kind: eventlog.Invite, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.InviteBody{Digest: eventlog.DigestOf("x"), Role: wire.RoleGuest, Until: 1}},
		"an invite with a secret":       {Kind: eventlog.Invite, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.InviteBody{Digest: "0123456789abcdefABCDEF", Role: wire.RoleGuest, Uses: 1, Until: 1}},
		"an invite without an end":      {Kind: eventlog.Invite, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.InviteBody{Digest: eventlog.DigestOf("x"), Role: wire.RoleGuest, Uses: 1}},
		"an ownership of many":          {Kind: eventlog.Invite, SenderID: "anna", Room: "lobby", ID: "1", Body: eventlog.InviteBody{Digest: eventlog.DigestOf("x"), Role: wire.RoleOwner, Uses: 2}},
		"a token's ownership":           {Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{Role: wire.RoleOwner, Until: 1}},
		"a token's role without an end": {Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{Role: wire.RoleGuest}},
		"a redeem of nothing":           {Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{}},
		"a redeem of two":               {Kind: eventlog.Redeem, SenderID: "0123456789abcdef", Room: "lobby", Body: eventlog.RedeemBody{Invite: eventlog.DigestOf("x"), Password: eventlog.DigestOf("x")}},
		"a redeem of a short sender":    {Kind: eventlog.Redeem, SenderID: "anna", Room: "lobby", Body: eventlog.RedeemBody{Invite: eventlog.DigestOf("x")}},
		"a trim that replies":           {Kind: eventlog.Trim, Room: "lobby", Re: 1, Body: eventlog.TrimBody{}},
		"an edit window below 0":        {Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{EditWindow: -1}}},
		"fewer than 0 rooms":            {Kind: eventlog.Configure, Body: eventlog.ConfigureBody{Limits: eventlog.Limits{MaxRooms: -1}}},
	} {
		if b, err := (&eventlog.Batch{Commands: []eventlog.Command{c}}).Encode(); err == nil {
			t.Errorf("%s: encoded as %x", name, b)
		}
	}
}

// TestStartIsAlone: a Start beside another command would belong to two incarnations: such a batch has no encoding, and is
// neither decoded nor decided.
func TestStartIsAlone(t *testing.T) {
	start := exampleStart().Commands[0]
	for name, b := range map[string]eventlog.Batch{
		"before another":    {Node: "local", Commands: []eventlog.Command{start, {Kind: eventlog.PruneIDs}}},
		"behind another":    {Node: "local", Commands: []eventlog.Command{{Kind: eventlog.PruneIDs}, start}},
		"twice":             {Node: "local", Commands: []eventlog.Command{start, start}},
		"of an incarnation": {Node: "local", Incarnation: 7, Seq: 1, Commands: []eventlog.Command{start}},
		"of another node":   {Node: "another", Commands: []eventlog.Command{start}},
	} {
		if encoded, err := b.Encode(); err == nil || !strings.Contains(err.Error(), "a start ") {
			t.Errorf("%s: it was encoded as %x, %v", name, encoded, err)
		}
		var s eventlog.State
		(&eventlog.Snapshot{}).LoadInto(&s)
		if _, _, err := eventlog.Decide(&s, &rows{}, &b, 8); err == nil || !strings.Contains(err.Error(), "a start ") {
			t.Errorf("%s: it was decided, %v", name, err)
		}
	}
	// The bytes of a batch of two PruneIDs, one of them replaced by a Start.
	two, err := (&eventlog.Batch{Node: "local", Commands: []eventlog.Command{{Kind: eventlog.PruneIDs}, {Kind: eventlog.PruneIDs}}}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	one, err := exampleStart().Encode()
	if err != nil {
		t.Fatal(err)
	}
	prune, command := two[len(two)-6:], one[bytes.LastIndex(one, []byte{0x85, byte(eventlog.Start)}):]
	for name, forged := range map[string][]byte{
		"the first": slices.Concat(two[:len(two)-12], command, prune), "the second": slices.Concat(two[:len(two)-6], command),
	} {
		if b, err := eventlog.DecodeBatch(forged); err == nil || !strings.Contains(err.Error(), "batch of 2 commands") {
			t.Errorf("%s of two is a start: it was decoded as %+v, %v", name, b, err)
		}
	}
}

// FuzzDecodeBatch: every accepted input is the only encoding of its batch.
func FuzzDecodeBatch(f *testing.F) {
	for _, c := range examples() {
		b, err := (&eventlog.Batch{At: 1, Commands: []eventlog.Command{c}}).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, batch := range []*eventlog.Batch{exampleBatch(), exampleStart()} {
		b, err := batch.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		batch, err := eventlog.DecodeBatch(b)
		if err != nil {
			return
		}
		again, err := batch.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x was accepted as %+v, whose encoding is %x, %v", b, batch, again, err)
		}
		back, err := eventlog.DecodeBatch(again)
		if err != nil || !reflect.DeepEqual(back, batch) {
			t.Fatalf("%+v becomes %+v, %v", batch, back, err)
		}
	})
}

// TestDecodeAllocatesLittle: a declared length allocates little more than the bytes that are there.
func TestDecodeAllocatesLittle(t *testing.T) {
	for _, b := range [][]byte{
		{1, 0x85, 0, 0x60, 0, 0, 0x9b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, // an array of 2^32-1 commands
		{1, 0x85, 0, 0x7b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},             // a node of 2^32-1 bytes
		append([]byte{1, 0x85, 0, 0x60, 0, 0, 0x9a, 0, 0x10, 0, 0}, make([]byte, 1<<20-20)...),
		bytes.Repeat([]byte{1}, eventlog.MaxBatchBytes+1),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := eventlog.DecodeBatch(b); err == nil {
			t.Errorf("%.16x was accepted", b)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%.16x of %d bytes takes %d bytes", b, len(b), n)
		}
	}
}

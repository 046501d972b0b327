package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ramai/internal/eventlog"
)

func testLog(t *testing.T, s suite) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, o *harness)
	}{
		{"order", testOrder},
		{"busy", testQueueFull},
		{"unheard", testUnreported},
		{"lost", testLost},
		{"full disk", testFullDisk},
		{"health", testHealth},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s.open(t, eventlog.Options{})) })
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, o *harness)
	}{
		{"rolled back", testRefusedFence},
		{"refused name fences nothing", testRefusedName},
		{"rolled back after a commit in doubt", testRolledBackAfterDoubt},
		{"failures", testFailures},
		{"one bad command", testOneBadCommand},
		{"one bad command and a commit in doubt", testOneBadCommandInDoubt},
		{"retention apart", testRetentionAlone},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := s.open(t, eventlog.Options{})
			if !o.exclusive {
				t.Skip("only the local sequencer withdraws rolled back batches")
			}
			test.run(t, o)
		})
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, o *harness)
	}{
		{"held commit", testHeldCommit},
		{"close", testClose},
		{"close in doubt", testCloseInDoubt},
		{"stop", testCancel},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t, s.open(t, eventlog.Options{})) })
		})
	}
	t.Run("level", func(t *testing.T) { testLevelOfOneNode(t, s) })
	t.Run("batches", func(t *testing.T) { testBatches(t, s.open(t, eventlog.Options{Batch: 3})) })
	t.Run("any fault", func(t *testing.T) { testAnyFault(t, s) })
}

func testOrder(t *testing.T, o *harness) {
	if worked, err := o.Step(); worked || err != nil {
		t.Fatalf("Step() with nothing to do = %v, %v", worked, err)
	}
	o.submit(sayAll("a1", "a2")...)
	o.submit(reserve("bert", "Bert"), say("bert", "cellar", "b1", "x"))
	o.submit(sayAll("a3", "a1")...)
	o.wantFed()
	o.steps(1)
	o.wantFed("a1 saved 1", "a2 saved 2", "Bert done", "b1 saved 1", "a3 saved 3", "a1 repeat 1")
	o.submit(sayAll("a4")...)
	o.steps(1)
	o.wantFed("a4 saved 4")
	if len(o.store.Applied()) != 2 || o.store.Position() != o.before+2 {
		t.Errorf("%d batches, position %d; want 2 and 2", len(o.store.Applied()), o.store.Position())
	}
}

func testBatches(t *testing.T, o *harness) {
	o.submit(sayAll("a1", "a2", "a3", "a4", "a5", "a6", "a7")...)
	o.steps(1)
	o.wantFed("a1 saved 1", "a2 saved 2", "a3 saved 3")
	o.submit(sayAll("a8")...)
	o.steps(2)
	o.wantFed("a4 saved 4", "a5 saved 5", "a6 saved 6", "a7 saved 7", "a8 saved 8")
	if worked, err := o.Step(); worked || err != nil {
		t.Errorf("Step() with nothing left = %v, %v", worked, err)
	}
}

func testQueueFull(t *testing.T, o *harness) {
	const queue = 8192 // the default of Options.Queue
	for i := range queue {
		o.submit(once("anna", "lobby", fmt.Sprint(i), "x"))
	}
	calls := 0
	for range 2 {
		if err := o.Submit(eventlog.Submission{Command: say("anna", "lobby", "late", "x")}, func() { calls++ }); !errors.Is(err, eventlog.ErrBusy) {
			t.Fatalf("Submit to a full queue: %v", err)
		}
	}
	if err := o.Submit(eventlog.Submission{Command: say("anna", "lobby", "late", "x")}, nil); !errors.Is(err, eventlog.ErrBusy) {
		t.Fatalf("Submit to a full queue: %v", err)
	}
	if calls != 0 {
		t.Fatal("room was called although the queue is full")
	}
	o.steps(1)
	if calls != 2 {
		t.Fatalf("room was called %d times, want 2", calls)
	}
	o.submit(say("anna", "lobby", "late", "x"))
	o.run()
	if last := o.fed[len(o.fed)-1]; calls != 2 || len(o.fed) != queue+1 || last != fmt.Sprintf("late saved %d", queue+1) {
		t.Errorf("%d calls, %d outcomes, the last is %q", calls, len(o.fed), last)
	}
}

// testRefusedFence: messages that a connection submitted after a refused one are refused with it, until the connection
// raises its fence.
func testRefusedFence(t *testing.T, o *harness) {
	anna, bert := &eventlog.ReplyTo{}, &eventlog.ReplyTo{}
	o.store.Fail(Full)
	o.submitFrom(anna, 0, sayAll("a1", "a2")...)
	o.steps(1)
	o.wantFed("a1 refused unavailable", "a2 refused unavailable")
	o.submitFrom(anna, 0, sayAll("a3")...)
	o.submitFrom(bert, 0, say("bert", "lobby", "b1", "x"))
	o.submitFrom(anna, 0, reserve("anna", "Anna"))
	o.submitFrom(anna, 1, sayAll("a1")...)
	o.submitFrom(anna, 0, sayAll("a4")...)
	o.submitFrom(anna, 1, sayAll("a2")...)
	o.submit(sayAll("no-origin")...)
	o.steps(1)
	o.wantFed("a3 refused unavailable", "b1 saved 1", "Anna done", "a1 saved 2", "a4 refused unavailable", "a2 saved 3", "no-origin saved 4")

	o.submitFrom(anna, 0, sayAll("a5")...)
	o.steps(1) // an empty batch
	o.wantFed("a5 refused unavailable")
	if got := o.store.Position(); got != 1 {
		t.Errorf("Position() = %d, want 1", got)
	}
}

func testRefusedName(t *testing.T, o *harness) {
	anna := &eventlog.ReplyTo{}
	o.store.Fail(RolledBack)
	o.submitFrom(anna, 1, reserve("anna", "Anna"))
	o.steps(1)
	o.submitFrom(anna, 1, sayAll("a1")...)
	o.steps(1)
	o.wantFed("Anna refused unavailable", "a1 saved 1")
}

func testUnreported(t *testing.T, o *harness) {
	anna := &eventlog.ReplyTo{}
	o.submit(sayAll("a0")...)
	o.steps(1)
	o.store.Fail(Unreported)
	o.store.FailReopen(2)
	o.submitFrom(anna, 1, reserve("anna", "Anna"), say("anna", "lobby", "a1", "x"), once("anna", "lobby", "a2", "x"), say("anna", "lobby", "a1", "x"))
	o.submit(say("bert", "new", "b1", "x"))
	o.submit(sayAll("a0")...)
	o.failSteps(1)
	o.submitFrom(anna, 1, sayAll("a3")...) // waits
	o.failSteps(2)
	o.steps(1)
	o.wantFed("a0 saved 1", "Anna done", "a1 saved 2", "a2 saved 3", "a1 repeat 2", "b1 saved 1", "a0 repeat 1")
	o.steps(1)
	o.wantFed("a3 saved 4")
	o.wantNumbers("lobby", 4)
	o.wantNumbers("new", 1)
}

func testLost(t *testing.T, o *harness) {
	o.store.Fail(Lost, Lost, Unreported)
	o.submit(reserve("anna", "Anna"))
	o.submit(sayAll("a1", "a2", "a1")...)
	o.failSteps(3)
	o.submit(sayAll("a3")...)
	o.steps(2)
	o.wantFed("Anna done", "a1 saved 1", "a2 saved 2", "a1 repeat 1", "a3 saved 3")
	o.wantNumbers("lobby", 3)
}

// testOneBadCommand: an invalid command is refused alone, together with what its own connection submitted after it.
func testOneBadCommand(t *testing.T, o *harness) {
	bert := &eventlog.ReplyTo{}
	o.store.Poison("bad")
	o.submit(sayAll("a1")...)
	o.submitFrom(bert, 1, say("bert", "lobby", "bad", "x"), say("bert", "lobby", "b1", "x"), reserve("bert", "Bert"))
	o.submit(sayAll("a2")...)
	o.run()
	o.wantFed("a1 saved 1", "bad refused unavailable", "b1 refused unavailable", "Bert done", "a2 saved 2")
	o.submitFrom(bert, 2, say("bert", "lobby", "b1", "x"))
	o.run()
	o.wantFed("b1 saved 3")
	o.wantNumbers("lobby", 3)
}

func testOneBadCommandInDoubt(t *testing.T, o *harness) {
	o.store.Poison("bad")
	o.store.Fail(None, None, Unreported) // all four, a1, a2
	o.submit(sayAll("a1", "a2", "bad", "a3")...)
	o.steps(2)
	o.failSteps(1)
	o.run()
	o.wantFed("a1 saved 1", "a2 saved 2", "bad refused unavailable", "a3 saved 3")
	o.wantNumbers("lobby", 3)
}

// testRetentionAlone: a step of retention is a separate batch: if it fails, nothing else fails.
func testRetentionAlone(t *testing.T, o *harness) {
	o.submit(sayAll("a1", "a2")...)
	o.steps(1)
	o.store.Poison("lobby")
	o.submit(eventlog.Command{Kind: eventlog.Trim, Room: "lobby", Body: eventlog.TrimBody{To: 1}})
	o.submit(sayAll("a3")...)
	o.submit(eventlog.Command{Kind: eventlog.Trim, Room: "den", Body: eventlog.TrimBody{To: 1}})
	before := len(o.store.Applied())
	o.run()
	o.wantFed("a1 saved 1", "a2 saved 2", "a3 saved 3", " refused unavailable", " from 1")
	if got := len(o.store.Applied()) - before; got != 3 {
		t.Errorf("there were %d batches, want 3", got)
	}
}

// testHealth: no message is acknowledged into damaged data, in one room or in all. Retention continues.
func testHealth(t *testing.T, o *harness) {
	trim := eventlog.Command{Kind: eventlog.Trim, Room: "lobby", Body: eventlog.TrimBody{To: 1}}
	o.store.SetHealth(eventlog.Health{Rooms: map[string]error{"lobby": eventlog.ErrDamaged}})
	o.submit(say("anna", "lobby", "a1", "x"), say("anna", "den", "a2", "x"), reserve("anna", "Anna"), trim)
	o.run()
	o.wantFed("a1 refused unavailable", "a2 saved 1", "Anna done", " from 1")
	o.store.SetHealth(eventlog.Health{Err: eventlog.ErrDamaged})
	o.submit(say("anna", "den", "a3", "x"), reserve("bert", "Bert"), trim)
	o.run()
	o.wantFed("a3 refused unavailable", "Bert refused unavailable", " from 1")
	o.store.SetHealth(eventlog.Health{})
	o.store.FailFree(ErrFault)
	o.submit(say("anna", "den", "a3", "x"))
	o.run()
	o.wantFed("a3 refused unavailable")
	o.store.FailFree(nil)
	o.submit(say("anna", "den", "a3", "x"))
	o.run()
	o.wantFed("a3 saved 2")
}

func testRolledBackAfterDoubt(t *testing.T, o *harness) {
	anna := &eventlog.ReplyTo{}
	o.store.Fail(Lost, RolledBack)
	o.submitFrom(anna, 1, sayAll("a1")...)
	o.failSteps(1)
	o.submitFrom(anna, 1, sayAll("a2")...)
	o.submitFrom(anna, 2, sayAll("a1")...)
	o.steps(2)
	o.wantFed("a1 refused unavailable", "a2 refused unavailable", "a1 saved 1")
}

func testFullDisk(t *testing.T, o *harness) {
	anna := &eventlog.ReplyTo{}
	o.submit(reserve("anna", "Anna"))
	o.steps(1)
	o.store.SetFree(eventlog.MinFree - 1)
	o.submitFrom(anna, 1, sayAll("a1")...)
	o.submit(release("anna"))
	o.steps(1)
	o.wantFed("Anna done", "a1 refused unavailable", " done")
	if got := o.store.Name("anna"); got != "" {
		t.Errorf("anna still holds %q", got)
	}
	o.store.SetFree(eventlog.MinFree)
	o.submitFrom(anna, 1, sayAll("a2")...)
	o.submitFrom(anna, 2, sayAll("a1", "a2")...)
	o.steps(1)
	o.wantFed("a2 refused unavailable", "a1 saved 1", "a2 saved 2")
}

// testFailures: a failure lasts until a message is stored, and each reason is logged once.
func testFailures(t *testing.T, o *harness) {
	is := func(want error) {
		t.Helper()
		if got := o.Failure(); !errors.Is(got, want) || (got == nil) != (want == nil) {
			t.Errorf("the failure is %v, want %v", got, want)
		}
	}
	is(nil)
	for range 2 {
		o.store.Fail(RolledBack, RolledBack)
		o.submit(sayAll("a1")...)
		o.steps(1)
		is(eventlog.ErrRolledBack)
		o.submit(sayAll("a1")...)
		o.steps(1)
		o.submit(release("anna"))
		o.steps(1)
		is(eventlog.ErrRolledBack)
		o.submit(sayAll("a1")...)
		o.steps(1)
		is(nil)
	}
	if got := strings.Count(o.logged.String(), "a batch was not stored"); got != 2 {
		t.Errorf("the log has %d lines:\n%s", got, o.logged.String())
	}
}

func testHeldCommit(t *testing.T, o *harness) {
	done := o.start(t.Context())
	release := o.store.Hold()
	o.submit(sayAll("a1")...)
	synctest.Wait()
	o.submit(sayAll("a2", "a3", "a4")...)
	synctest.Wait()
	o.wantFed()
	if got := o.store.Bounds("lobby"); got.Last != 0 {
		t.Errorf("during the commit, the bounds were %v", got)
	}
	release()
	synctest.Wait()
	o.wantFed("a1 saved 1", "a2 saved 2", "a3 saved 3", "a4 saved 4")
	if got := o.store.Applied(); len(got) != 2 || len(got[1].Commands) != 3 {
		t.Errorf("%d batches; want the second to contain everything submitted during the first commit", len(got))
	}
	o.Close()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func testClose(t *testing.T, o *harness) {
	release := o.store.Hold()
	done := o.start(t.Context())
	o.submit(sayAll("a1")...)
	synctest.Wait()
	o.submit(sayAll("a2", "a3")...)
	o.Close()
	if err := o.Submit(eventlog.Submission{Command: say("anna", "lobby", "a4", "x")}, nil); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("Submit after Close: %v", err)
	}
	release()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	o.wantFed("a1 saved 1", "a2 saved 2", "a3 saved 3")
}

func testCloseInDoubt(t *testing.T, o *harness) {
	o.store.Fail(Unreported)
	o.store.FailReopen(100)
	done := o.start(t.Context())
	o.submit(sayAll("a1")...)
	o.Close()
	time.Sleep(time.Second)
	synctest.Wait()
	o.wantFed()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	o.wantFed("a1 saved 1")
}

func testCancel(t *testing.T, o *harness) {
	ctx, cancel := context.WithCancel(t.Context())
	o.store.Fail(Lost)
	o.store.FailReopen(1000)
	done := o.start(ctx)
	o.submit(sayAll("a1", "a2")...)
	time.Sleep(time.Minute)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrFault) {
		t.Errorf("Run: %v, want an error about a commit in doubt", err)
	}
	o.wantFed()
}

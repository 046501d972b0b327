package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Trial is one rehearsal of Find.
type Trial struct {
	Rate   float64 `json:"rate"` // messages a second
	Held   bool    `json:"held"`
	Why    string  `json:"why,omitempty"` // it was not held
	Report *Report `json:"report,omitempty"`
}

// Find raises the rate from that of the configuration until a rehearsal is not held: until p99 is above the bound, a message
// is not delivered right and in time, or the connections fail. Then it closes in on the highest rate that is held. It
// calls onTrial after each rehearsal. The error is that of the first rehearsal.
func Find(ctx context.Context, cfg Config, bound time.Duration, onTrial func(Trial)) (trials []Trial, err error) {
	try := func(rate float64) (bool, error) {
		cfg.Rate = rate
		rep, err := Run(ctx, cfg)
		if err != nil && (len(trials) == 0 || ctx.Err() != nil) {
			return false, err
		}
		t := judge(rate, rep, err, cfg.Duration, bound)
		trials = append(trials, t)
		onTrial(t)
		return t.Held, nil
	}
	return trials, search(cfg.Rate, try)
}

// search calls try with doubled values from low on, until one fails, and then with values between the last two: three
// bisections are as exact as such measurements are.
func search(low float64, try func(float64) (held bool, err error)) error {
	high, held := low, false
	for {
		ok, err := try(high)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		low, high, held = high, 2*high, true
	}
	for range 3 {
		middle := (low + high) / 2
		if !held {
			middle = high / 2
		}
		ok, err := try(middle)
		if err != nil {
			return err
		}
		if ok {
			low, held = middle, true
		} else {
			high = middle
		}
	}
	return nil
}

// judge returns the trial of a rehearsal with the given rate.
func judge(rate float64, rep *Report, err error, length, bound time.Duration) Trial {
	t := Trial{Rate: rate, Report: rep}
	switch {
	case err != nil:
		t.Why = Limit(err)
	case !rep.Good():
		t.Why = rep.faults()
	case rep.P99 > float64(bound)/1e6:
		t.Why = fmt.Sprintf("p99 is %s ms", grouped(rep.P99))
	case float64(rep.Published) < 0.95*rate*length.Seconds()-1:
		t.Why = fmt.Sprintf("only %.0f messages/s could be published", float64(rep.Published)/rep.Publishing)
	default:
		t.Held = true
	}
	return t
}

// Limit says which limit an error is about, if it is known, and what to do.
func Limit(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "file descriptors of ramai rehearse (raise ulimit -n): " + err.Error()
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "ports of this machine (set --source-addresses): " + err.Error()
	case strings.Contains(err.Error(), "the server answered 503"):
		return "connections that the server accepts (see --max-connections and its file descriptors): " + err.Error()
	}
	return err.Error()
}

// Best returns the trial with the highest rate that was held, or else the lowest one, that of a rehearsal that ended.
func Best(trials []Trial) Trial {
	all := sorted(trials)
	for _, t := range slices.Backward(all) {
		if t.Held {
			return t
		}
	}
	return all[slices.IndexFunc(all, func(t Trial) bool { return t.Report != nil })] // the first trial has one
}

// Conclusion returns the result of Find in a sentence.
func Conclusion(trials []Trial) string {
	best, all := Best(trials), sorted(trials)
	worst := slices.IndexFunc(all, func(t Trial) bool { return !t.Held && (!best.Held || t.Rate > best.Rate) })
	limit := fmt.Sprintf("at %s messages/s: %s", grouped(all[worst].Rate), all[worst].Why) // Find ends with one that is not held
	if !best.Held {
		return "not held even " + limit
	}
	return fmt.Sprintf("%s; the first limit, %s", best.Report.Conclusion(), limit)
}

// Copyright (c) ROI Systems
// SPDX-License-Identifier: MPL-2.0

package policy

import (
	"strings"
	"sync"
)

// A walk counts candidates by walking through all of them at once, character by
// character. What matters of a prefix is its state: the last character, whether
// it stands there twice, which rows the last steps followed, and for each class
// how many characters it has, up to the count from which more makes no
// difference.
//
// Most pairs of characters have nothing to do with each other, so that a step of
// the walk need not go through all pairs of states: every character takes the
// whole mass, minus that of the few states that have a rule for it.
type walk struct {
	mu         sync.Mutex
	space      space
	required   int
	rules      [][]rule // for each pattern state
	class      []class  // of each character of the alphabet
	counts     [][classes]int
	after      [][classes]int // counts after one more character of a class
	mass       []float64      // for each count, for each state
	acceptance []float64      // for each length from 1 that was asked for so far
}

// A rule says where a state goes with a character, if not to that character's
// plain state. to is forbidden where a pattern rule stops it.
type rule struct {
	char, to int
}

const forbidden = -1

// A tail is the pattern state of a prefix.
type tail struct {
	char     int // in the alphabet
	twice    bool
	one, two step // rows in common over the last one and two steps
}

// walks keeps the walk of each space: policies are resolved again and again.
var walks = struct {
	sync.Mutex
	of map[space]*walk
}{of: map[space]*walk{}}

func (s space) walk() *walk {
	walks.Lock()
	defer walks.Unlock()
	w, ok := walks.of[s]
	if !ok {
		w = newWalk(s)
		walks.of[s] = w
	}
	return w
}

func newWalk(s space) *walk {
	w := &walk{space: s, required: requiredClasses(s.alphabet)}
	for i := range len(s.alphabet) {
		w.class = append(w.class, classOf(s.alphabet[i]))
	}
	w.makeRules()
	w.makeCounts()
	return w
}

// makeRules numbers the pattern states. The plain state of each character, which
// has no history, comes first and has the character's number.
func (w *walk) makeRules() {
	alphabet := w.space.alphabet
	number := map[tail]int{}
	var states []tail
	visit := func(t tail) int {
		n, ok := number[t]
		if !ok {
			n = len(states)
			number[t] = n
			states = append(states, t)
		}
		return n
	}
	for c := range len(alphabet) {
		visit(tail{char: c})
	}
	for i := 0; i < len(states); i++ {
		t := states[i]
		var rules []rule
		for c := range len(alphabet) {
			if c == t.char {
				to := forbidden
				if !t.twice {
					to = visit(tail{char: c, twice: true})
				}
				rules = append(rules, rule{c, to})
				continue
			}
			this := stepOf(alphabet[t.char], alphabet[c])
			switch {
			case this == 0:
			case this&t.two != 0:
				rules = append(rules, rule{c, forbidden})
			default:
				rules = append(rules, rule{c, visit(tail{char: c, one: this, two: this & t.one})})
			}
		}
		w.rules = append(w.rules, rules)
	}
}

// makeCounts lists the combinations of class counts.
func (w *walk) makeCounts() {
	caps := w.space.caps()
	number := map[[classes]int]int{}
	var list func(count [classes]int, c class)
	list = func(count [classes]int, c class) {
		if c == classes {
			number[count] = len(w.counts)
			w.counts = append(w.counts, count)
			return
		}
		for n := range caps[c] + 1 {
			count[c] = n
			list(count, c+1)
		}
	}
	list([classes]int{}, lower)
	w.after = make([][classes]int, len(w.counts))
	for i, count := range w.counts {
		for c := range classes {
			more := count
			more[c] = min(more[c]+1, caps[c])
			w.after[i][c] = number[more]
		}
	}
}

// shareAccepted returns the share of candidates of a length that hold no
// forbidden run or sequence and have the classes that are asked for.
func (w *walk) shareAccepted(length int) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.acceptance) < length {
		if w.mass == nil {
			w.start()
		} else {
			w.step()
		}
		w.acceptance = append(w.acceptance, w.accepted())
	}
	return w.acceptance[length-1]
}

// start places the candidates of one character.
func (w *walk) start() {
	w.mass = make([]float64, len(w.counts)*len(w.rules))
	for i := range len(w.space.first) {
		c := strings.IndexByte(w.space.alphabet, w.space.first[i])
		w.mass[w.after[0][w.class[c]]*len(w.rules)+c] = 1 / float64(len(w.space.first))
	}
}

// step appends one character to all candidates.
func (w *walk) step() {
	var (
		states = len(w.rules)
		next   = make([]float64, len(w.mass))
		plain  = make([]float64, len(w.class))
		each   = 1 / float64(len(w.class))
	)
	for v := range w.counts {
		mass := w.mass[v*states : (v+1)*states]
		total := 0.0
		for _, x := range mass {
			total += x
		}
		if total == 0 {
			continue
		}
		for c := range plain {
			plain[c] = total
		}
		for i, x := range mass {
			if x == 0 {
				continue
			}
			for _, r := range w.rules[i] {
				plain[r.char] -= x
				if r.to != forbidden {
					next[w.after[v][w.class[r.char]]*states+r.to] += x * each
				}
			}
		}
		for c, x := range plain {
			// A difference that should be nothing may be a rounding error below it.
			next[w.after[v][w.class[c]]*states+c] += max(0, x) * each
		}
	}
	w.mass = next
}

// accepted adds up the mass whose class counts are enough.
func (w *walk) accepted() float64 {
	var sum float64
	for v, count := range w.counts {
		enough := present(count) >= w.required
		for c := range classes {
			enough = enough && count[c] >= w.space.min[c]
		}
		if enough {
			for _, x := range w.mass[v*len(w.rules) : (v+1)*len(w.rules)] {
				sum += x
			}
		}
	}
	return sum
}

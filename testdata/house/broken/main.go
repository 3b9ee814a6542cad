package broken // want: package broken has no comment; file has 67 lines, at most 40

import (
	_ "embed"
	"errors"
	"log"
	"os"
	"regexp"
	"sync"
)

// ErrSentinel is fine: an error.
var ErrSentinel = errors.New("sentinel")

// Limit could be set by anybody.
var Limit = 3 // want: package variable Limit can be changed by others

//go:embed main.go
var source string

var (
	_       error                   = ErrSentinel
	pattern                         = regexp.MustCompile("a")
	table                           = map[string]int{"a": 1}
	once                            = sync.OnceValue(func() int { return len(source) })
	counter int                     // want: package variable counter without a value is state
	guard   = &sync.Mutex{}         // want: package variable guard is state
	cache   = make(map[string]bool) // want: package variable cache is state
)

func init() { // want: init function
	table["b"] = 2 // want: package variable table is changed
	counter++      // want: package variable counter is changed
}

type hidden struct{ n int }

// Exported methods of unexported types need no comment.
func (h *hidden) Set(table int) { h.n, table = table, h.n }

func Long(h *hidden) int { // want: function Long has 7 lines, at most 6; Long has no comment
	table := once()
	table++
	h.Set(table)
	guard.Lock()
	return h.n
}

type Bare struct{} // want: Bare has no comment

func (Bare) Do() { // want: Do has no comment
	delete(cache, pattern.String()) // want: package variable cache is changed
	os.Exit(1)                      // want: os.Exit outside main.go
}

// Values are explained by one comment for all.
const (
	One = 1
	Two = 2
)

func unused(l *log.Logger) {
	log.Fatal("a")  // want: log.Fatal outside main.go
	l.Fatalf("b")   // want: (*log.Logger).Fatalf outside main.go
	p := &table     // want: package variable table is changed
	(*p)["c"] = Two // not seen twice
}

// Tries what a program may try, and says in tags what came of it.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"weir-sdk"
	"weir-sdk/policy"
)

// What is remembered of earlier operations, and what is thrown away in each, in bytes.
const (
	remembered = 500
	garbage    = 256 * 1024
)

type probe struct {
	ticks int
	// Texts as they came, and copies of them.
	texts, copies []string
	waste         []byte
}

func (p *probe) Open(*weir.SessionInfo) error { return nil }

func (p *probe) Decide(operation *weir.Operation) (*weir.Decision, error) {
	fmt.Fprintln(os.Stderr, "a value that somebody printed")
	for word, do := range map[string]func() error{
		"stumble":  p.stumble,
		"object":   func() error { return errors.New("a value that somebody objected to") },
		"fault":    func() error { return &weir.Fault{Code: "no-way", Message: "it is told in words"} },
		"hang":     func() error { time.Sleep(time.Hour); return nil },
		"leave":    func() error { os.Exit(0); return nil },
		"deadlock": func() error { <-make(chan int); return nil },
		"fatal":    func() error { (&sync.Mutex{}).Unlock(); return nil },
		"exhaust":  p.exhaust,
		"recurse":  func() error { return deeper(nil) },
	} {
		if strings.Contains(operation.Text, word) {
			if err := do(); err != nil {
				return nil, err
			}
		}
	}
	decision := weir.Abstain()
	if strings.Contains(operation.Text, "look") {
		p.look(decision)
	}
	if strings.Contains(operation.Text, "start") {
		go p.tick()
	}
	decision.Tag("ticks", strconv.Itoa(p.ticks))
	return decision, p.remember(operation.Text)
}

// remember fails when a text that was kept is no longer what it was.
func (p *probe) remember(text string) error {
	p.waste = make([]byte, garbage)
	if len(p.texts) == remembered {
		p.texts, p.copies = p.texts[1:], p.copies[1:]
	}
	p.texts, p.copies = append(p.texts, text), append(p.copies, strings.Clone(text))
	for at, each := range p.texts {
		if each != p.copies[at] {
			return &weir.Fault{Code: "forgotten", Message: "a text has changed"}
		}
	}
	return nil
}

// tick counts hours, and never ends.
func (p *probe) tick() {
	for {
		p.ticks++
		time.Sleep(time.Hour)
	}
}

func (p *probe) stumble() error {
	var nobody *probe
	nobody.ticks++
	return nil
}

func (p *probe) exhaust() error {
	for all := [][]byte{}; ; {
		all = append(all, make([]byte, 1<<20))
	}
}

func deeper(above *[1024]byte) error {
	var here [1024]byte
	if above != nil {
		here[0] = above[0] + 1
	}
	return deeper(&here)
}

func (p *probe) look(decision *weir.Decision) {
	for _, each := range []struct {
		name string
		what func() (any, error)
	}{
		{"variables", func() (any, error) { return os.Environ(), nil }},
		{"arguments", func() (any, error) { return len(os.Args), nil }},
		{"folder", func() (any, error) { return os.ReadDir("/") }},
		{"read", func() (any, error) { return os.ReadFile("/etc/passwd") }},
		{"write", func() (any, error) { return os.Create("/tmp/weir-probe") }},
		{"connect", func() (any, error) { return net.Dial("tcp", "127.0.0.1:5432") }},
		{"resolve", func() (any, error) { return net.LookupHost("localhost") }},
		{"input", func() (any, error) { return io.ReadAll(os.Stdin) }},
		{"wall", func() (any, error) { return time.Now().Unix(), nil }},
		{"chance", func() (any, error) {
			bytes := make([]byte, 8)
			_, err := rand.Read(bytes)
			return hex.EncodeToString(bytes), err
		}},
	} {
		if value, err := each.what(); err != nil {
			decision.Tag(each.name, fmt.Sprintf("%T", err))
		} else {
			decision.Tag(each.name, fmt.Sprint(value))
		}
	}
}

func init() {
	about := weir.About{Name: "probe", Version: "0.1.0", Description: "Looks for a way out"}
	policy.Register(about, func(string) (weir.Policy, error) { return &probe{}, nil })
}

func main() {}

// Package weir is what a plugin for weir is made of, in Go. The records in contract.go are the contract's, wit/*.wit, which
// says what each field means.
//
// A plugin registers itself when it starts, with the package policy or masker. All here is plain Go: a plugin's logic is
// tested with `go test`.
package weir

import (
	"unicode/utf8"
	"weir-sdk/host/log"
)

// About is what a plugin says of itself. The schema of the settings is JSON Schema, empty when it takes none.
type About struct {
	Name           string
	Version        string
	Description    string
	SettingsSchema string
}

// Policy gives a decision about each operation. One value serves one session, and no two calls overlap.
type Policy interface {
	// Open says who is there, once.
	Open(session *SessionInfo) error
	// Decide is asked once for each operation. An error refuses it.
	Decide(operation *Operation) (*Decision, error)
}

// Masker hides values. One value serves one session, and no two calls overlap.
type Masker interface {
	// Open says who is there, once.
	Open(session *SessionInfo) error
	// Plan says which columns of a result are wanted; it holds until the next one with that number.
	Plan(shape uint32, columns []Column, operation *Operation) (*MaskingPlan, error)
	// Mask answers edits of the cells of those columns. NULLs are not sent.
	Mask(shape uint32, values *Batch) (*Edits, error)
}

// Error makes a Fault an error. Of other errors the operator reads only the type: their texts may hold values.
func (f *Fault) Error() string { return f.Code + ": " + f.Message }

// Abstain has no opinion: the other policies decide.
func Abstain() *Decision { return &Decision{Verdict: VerdictAbstain{}} }

// Allow lets it pass. Prefer Abstain.
func Allow() *Decision { return &Decision{Verdict: VerdictAllow{}} }

// Deny refuses. The client reads the reason: no values in it.
func Deny(code, reason string) *Decision {
	return &Decision{Verdict: VerdictDeny{Explanation{Code: code, Reason: reason}}}
}

// Hold waits for a person: `group:NAME` or `user:NAME`; without any, the resource's reviewers.
func Hold(code, reason string, reviewers ...string) *Decision {
	return &Decision{Verdict: VerdictHold{HoldRequest{Code: code, Reason: reason, Reviewers: reviewers}}}
}

// Rewrite is the text to run instead; every policy judges it again.
func Rewrite(text string) *Decision { return &Decision{Verdict: VerdictRewrite{text}} }

// Tag adds a fact to keep with the operation in the trail.
func (d *Decision) Tag(name, value string) *Decision {
	d.Tags = append(d.Tags, Attribute{Name: name, Value: value})
	return d
}

// Finding adds something noticed, for the trail; the score is 0 to 100. Never the value itself.
func (d *Decision) Finding(rule, place string, score uint8) *Decision {
	d.Findings = append(d.Findings, Finding{Rule: rule, Place: place, Score: score})
	return d
}

// AttributeOf is the value of the first attribute of that name.
func AttributeOf(attributes []Attribute, name string) (value string, found bool) {
	for _, each := range attributes {
		if each.Name == name {
			return each.Value, true
		}
	}
	return "", false
}

// Cell is the bytes of a cell, UTF-8. They are not the caller's to change.
func (b *Batch) Cell(cell int) []byte {
	start := uint32(0)
	if cell > 0 {
		start = b.Ends[cell-1]
	}
	return b.Cells[start:b.Ends[cell]]
}

// Add adds a cell, for tests.
func (b *Batch) Add(column uint16, text string) *Batch {
	b.Cells = append(b.Cells, text...)
	b.Ends = append(b.Ends, uint32(len(b.Cells)))
	b.Columns = append(b.Columns, column)
	return b
}

// Replace lets the bytes from start to stop of a cell become the text; rule is an index into the plan's. Cells and places
// ascend.
func (e *Edits) Replace(cell, start, stop int, text string, rule uint16) {
	e.Cells = append(e.Cells, uint32(cell))
	e.Starts = append(e.Starts, uint32(start))
	e.Stops = append(e.Stops, uint32(stop))
	e.Replacements = append(e.Replacements, text...)
	e.Ends = append(e.Ends, uint32(len(e.Replacements)))
	e.Rules = append(e.Rules, rule)
}

// Null lets a cell become NULL.
func (e *Edits) Null(cell int, rule uint16) {
	e.Nulls = append(e.Nulls, uint32(cell))
	e.NullRules = append(e.NullRules, rule)
}

// Level is how much a line of the log matters.
type Level uint8

const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// Log writes to the gateway's log, which adds plugin and session. No values: the log is not masked.
func Log(level Level, message string) {
	if !utf8.ValidString(message) {
		message = string([]rune(message))
	}
	log.Log(uint8(level), message)
}

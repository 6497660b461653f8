// Salaries become NULL, and of an e-mail address its domain stays.
package main

import (
	"bytes"
	"weir-sdk"
	"weir-sdk/masker"
)

const (
	salary = iota
	email
	none
)

type hideSalaries struct {
	// Of each shape: the rule of each column.
	rules map[uint32][]uint16
}

func (hide *hideSalaries) Open(*weir.SessionInfo) error { return nil }

func (hide *hideSalaries) Plan(shape uint32, columns []weir.Column, _ *weir.Operation) (*weir.MaskingPlan, error) {
	plan := &weir.MaskingPlan{Rules: []string{"salary", "email"}, Reusable: true}
	// Of what has no sign of an address in it nothing is hidden, so it need not be sent.
	plan.Signs = &weir.Signs{Bytes: []byte("@"), Settled: true}
	rules := make([]uint16, len(columns))
	for at, column := range columns {
		switch column.Source {
		case "salary":
			rules[at] = salary
		case "email":
			rules[at] = email
			plan.Signs.Columns = append(plan.Signs.Columns, uint16(at))
		default:
			rules[at] = none
			continue
		}
		plan.Wanted = append(plan.Wanted, uint16(at))
	}
	hide.rules[shape] = rules
	return plan, nil
}

func (hide *hideSalaries) Mask(shape uint32, values *weir.Batch) (*weir.Edits, error) {
	edits := &weir.Edits{}
	rules := hide.rules[shape]
	for cell, column := range values.Columns {
		if rules[column] == salary {
			edits.Null(cell, salary)
		} else if at := bytes.LastIndexByte(values.Cell(cell), '@'); at > 0 {
			edits.Replace(cell, 0, at, "***", email)
		}
	}
	return edits, nil
}

func init() {
	about := weir.About{Name: "hide-salaries", Version: "0.1.0", Description: "Hides salaries and the names in e-mail addresses"}
	masker.Register(about, func(string) (weir.Masker, error) { return &hideSalaries{rules: map[uint32][]uint16{}}, nil })
}

func main() {}

package main

import (
	"weir-sdk"
	"weir-sdk/masker"
)

type plugin struct{}

func (plugin) Open(*weir.SessionInfo) error { return nil }

func (plugin) Plan(_ uint32, columns []weir.Column, _ *weir.Operation) (*weir.MaskingPlan, error) {
	plan := &weir.MaskingPlan{Rules: []string{"salary"}, Reusable: true}
	for at, column := range columns {
		// Source is the column's name in its table, whatever the query calls it.
		if column.Source == "salary" {
			plan.Wanted = append(plan.Wanted, uint16(at))
		}
	}
	return plan, nil
}

func (plugin) Mask(_ uint32, values *weir.Batch) (*weir.Edits, error) {
	edits := &weir.Edits{}
	for cell := range values.Ends {
		edits.Null(cell, 0)
	}
	return edits, nil
}

func init() {
	about := weir.About{Name: "{{name}}", Version: "0.1.0", Description: "Hides salaries"}
	masker.Register(about, func(settings string) (weir.Masker, error) { return plugin{}, nil })
}

// Go wants one; the gateway never calls it.
func main() {}

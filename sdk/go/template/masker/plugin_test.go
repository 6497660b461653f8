package main

import (
	"slices"
	"testing"
	"weir-sdk"
)

func TestSalariesBecomeNullWhateverTheyAreCalled(t *testing.T) {
	columns := []weir.Column{{Name: "id", Source: "id"}, {Name: "x", Source: "salary"}}
	plan, err := plugin{}.Plan(1, columns, &weir.Operation{})
	if err != nil || !slices.Equal(plan.Wanted, []uint16{1}) {
		t.Fatal(plan, err)
	}
	values := (&weir.Batch{}).Add(1, "4100").Add(1, "5200")
	edits, err := plugin{}.Mask(1, values)
	if err != nil || !slices.Equal(edits.Nulls, []uint32{0, 1}) {
		t.Fatal(edits, err)
	}
}

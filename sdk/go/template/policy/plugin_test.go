package main

import (
	"testing"
	"weir-sdk"
)

func TestKeysAreNotForAgents(t *testing.T) {
	for _, each := range []struct {
		kind, table string
		denied      bool
	}{
		{"agent", "public.api_keys", true},
		{"human", "public.api_keys", false},
		{"agent", "public.orders", false},
	} {
		p := &plugin{}
		if err := p.Open(&weir.SessionInfo{Who: weir.Principal{ID: "ann", Kind: each.kind}}); err != nil {
			t.Fatal(err)
		}
		decision, err := p.Decide(&weir.Operation{Text: "select 1", Objects: []string{each.table}})
		if err != nil {
			t.Fatal(err)
		}
		if _, denied := decision.Verdict.(weir.VerdictDeny); denied != each.denied {
			t.Errorf("%s of %s: %T", each.table, each.kind, decision.Verdict)
		}
	}
}

package main

import (
	"strings"
	"weir-sdk"
	"weir-sdk/policy"
)

type plugin struct {
	isAgent bool
}

func (p *plugin) Open(session *weir.SessionInfo) error {
	p.isAgent = session.Who.Kind == "agent"
	return nil
}

func (p *plugin) Decide(operation *weir.Operation) (*weir.Decision, error) {
	for _, each := range operation.Objects {
		if p.isAgent && strings.Contains(each, "api_keys") {
			return weir.Deny("no-keys", "keys are not for agents"), nil
		}
	}
	return weir.Abstain(), nil
}

func init() {
	about := weir.About{Name: "{{name}}", Version: "0.1.0", Description: "Keys are not for agents"}
	policy.Register(about, func(settings string) (weir.Policy, error) { return &plugin{}, nil })
}

// Go wants one; the gateway never calls it.
func main() {}

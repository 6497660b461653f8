// Package policy makes a program a policy.
package policy

import (
	"weir-sdk"
	"weir-sdk/internal/plugin"
)

var registered plugin.Registered[weir.Policy]

// Register says what the plugin is, and how its value for a session is made of the settings, which are JSON that matches
// the schema. It is to be called in init, since a plugin has no main.
func Register(about weir.About, make func(settings string) (weir.Policy, error)) {
	registered.Register(about, make)
}

func onDescribe() weir.Manifest               { return registered.Describe() }
func onConfigure(settings string) *weir.Fault { return registered.Configure(settings) }

func onOpen(info *weir.SessionInfo) *weir.Fault {
	_, fault := plugin.Guarded(func() (*weir.SessionInfo, error) { return info, registered.Value.Open(info) })
	return fault
}

func onDecide(operation *weir.Operation) (*weir.Decision, *weir.Fault) {
	decision, fault := plugin.Guarded(func() (*weir.Decision, error) { return registered.Value.Decide(operation) })
	if fault == nil && decision.Verdict == nil {
		return nil, &weir.Fault{Code: "no-answer", Message: "a decision without a verdict"}
	}
	return decision, fault
}

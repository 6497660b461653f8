// Package masker makes a program a masker.
package masker

import (
	"weir-sdk"
	"weir-sdk/internal/plugin"
)

var registered plugin.Registered[weir.Masker]

// Register says what the plugin is, and how its value for a session is made of the settings, which are JSON that matches
// the schema. It is to be called in init, since a plugin has no main.
func Register(about weir.About, make func(settings string) (weir.Masker, error)) {
	registered.Register(about, make)
}

func onDescribe() weir.Manifest               { return registered.Describe() }
func onConfigure(settings string) *weir.Fault { return registered.Configure(settings) }
func onForget(uint32)                         {}

func onOpen(info *weir.SessionInfo) *weir.Fault {
	_, fault := plugin.Guarded(func() (*weir.SessionInfo, error) { return info, registered.Value.Open(info) })
	return fault
}

func onPlan(shape uint32, columns []weir.Column, operation *weir.Operation) (*weir.MaskingPlan, *weir.Fault) {
	return plugin.Guarded(func() (*weir.MaskingPlan, error) { return registered.Value.Plan(shape, columns, operation) })
}

func onMask(shape uint32, values *weir.Batch) (*weir.Edits, *weir.Fault) {
	return plugin.Guarded(func() (*weir.Edits, error) { return registered.Value.Mask(shape, values) })
}

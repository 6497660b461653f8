// Package plugin is what policies and maskers share between the contract and a plugin.
package plugin

import (
	"errors"
	"path"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"unicode/utf8"
	"weir-sdk"
)

// Registered is the plugin of this program, and its value for the session.
type Registered[P any] struct {
	About weir.About
	Make  func(settings string) (P, error)
	Value P
}

// Register is called once, when the program starts.
func (r *Registered[P]) Register(about weir.About, make func(settings string) (P, error)) {
	if r.Make != nil {
		panic("two plugins in one program")
	}
	r.About, r.Make = about, make
}

// Describe answers the contract's describe.
func (r *Registered[P]) Describe() weir.Manifest {
	return weir.Manifest{
		Name: r.About.Name, Version: r.About.Version, Description: r.About.Description, SettingsSchema: r.About.SettingsSchema,
	}
}

// Configure makes the value for the session.
func (r *Registered[P]) Configure(settings string) *weir.Fault {
	if r.Make == nil {
		return &weir.Fault{Code: "no-plugin", Message: "nothing was registered when the program started"}
	}
	value, fault := Guarded(func() (*P, error) {
		made, err := r.Make(settings)
		return &made, err
	})
	if fault == nil {
		r.Value = *value
	}
	return fault
}

// Guarded makes errors and panics faults, told by kind and place: their texts may hold values.
func Guarded[T any](call func() (*T, error)) (value *T, fault *weir.Fault) {
	defer func() {
		if problem := recover(); problem != nil {
			value, fault = nil, &weir.Fault{Code: "panic", Message: kind(problem) + " at " + place()}
		}
	}()
	value, err := call()
	switch own := (*weir.Fault)(nil); {
	case errors.As(err, &own):
		return nil, &weir.Fault{Code: valid(own.Code), Message: valid(own.Message)}
	case err != nil:
		return nil, &weir.Fault{Code: "error", Message: kind(err)}
	case value == nil:
		return nil, &weir.Fault{Code: "no-answer", Message: "it answered nil"}
	}
	return value, nil
}

func kind(of any) string { return reflect.TypeOf(of).String() }

// place is the file and line of the plugin that a panic comes from.
func place() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for {
		frame, more := frames.Next()
		if frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime.") {
			return path.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

func valid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// Package abi is the memory between the gateway and a plugin, as the component model's canonical ABI has it.
//
// What the gateway hands over is written into memory of Go's own that is never written again: texts and lists lie there as
// they are, without a copy, as long as something refers to them.
package abi

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Pieces that the gateway fills, in bytes; what is larger than a quarter gets its own.
const chunkBytes = 16 * 1024

// Go collects when the heap has grown by so many percent, of 4 MiB at least when it is 100: a session's memory is of that
// order.
const gcPercent = 25

var (
	chunk []byte
	// What the gateway has been given and nothing in Go refers to yet.
	given [][]byte
	// What the gateway may still read: answers.
	kept []unsafe.Pointer
	// While the gateway asks for memory nothing may call it.
	lending bool
	// Where what has no length lies. Go takes small numbers for pointers that are damaged.
	nowhere uint64
)

func init() {
	debug.SetGCPercent(gcPercent)
}

//go:wasmexport cabi_realloc
func realloc(old, oldBytes, alignment, bytes uint32) uint32 {
	if bytes == 0 {
		return alignment
	}
	lending = true
	to := allocate(uintptr(alignment), uintptr(bytes))
	lending = false
	if old != 0 && oldBytes != 0 {
		copy(unsafe.Slice((*byte)(to), bytes), unsafe.Slice((*byte)(Pointer(old)), min(oldBytes, bytes)))
	}
	return uint32(uintptr(to))
}

func allocate(alignment, bytes uintptr) unsafe.Pointer {
	if bytes > chunkBytes/4 {
		// Of this size Go aligns to 8, and nothing asks for more.
		own := make([]byte, bytes)
		given = append(given, own)
		return unsafe.Pointer(&own[0])
	}
	used := (uintptr(len(chunk)) + alignment - 1) &^ (alignment - 1)
	if used+bytes > uintptr(cap(chunk)) {
		if chunk != nil {
			given = append(given, chunk)
		}
		chunk, used = make([]byte, 0, chunkBytes), 0
	}
	chunk = chunk[:used+bytes]
	return unsafe.Pointer(&chunk[used])
}

// Begin is called when the gateway calls: it has read the answer before.
func Begin() {
	clear(kept)
	kept = kept[:0]
}

// Await is called before the gateway is. Taking memory may start the collector, and while it works other goroutines run:
// one of them may want to call just then.
func Await() {
	for lending {
		runtime.Gosched()
	}
}

// Taken says that what the gateway handed over is referred to now.
func Taken() {
	clear(given)
	given = given[:0]
}

// Keep keeps what is pointed to until the gateway calls again; it is told the address alone.
func Keep(pointer unsafe.Pointer) {
	kept = append(kept, pointer)
}

// Pointer is an address as the gateway says it.
func Pointer(address uint32) unsafe.Pointer {
	return unsafe.Pointer(uintptr(address))
}

// Room is zeroed memory that the gateway may read until it calls again, aligned to 8.
func Room(bytes int) unsafe.Pointer {
	if bytes == 0 {
		return unsafe.Pointer(&nowhere)
	}
	room := unsafe.Pointer(unsafe.SliceData(make([]uint64, (bytes+7)/8)))
	Keep(room)
	return room
}

// Address is what the gateway is told.
func Address(pointer unsafe.Pointer) uint32 {
	return uint32(uintptr(pointer))
}

// At is what lies at an address.
func At[T any](base unsafe.Pointer, offset uintptr) *T {
	return (*T)(unsafe.Add(base, offset))
}

// Text is the text at an address, not copied.
func Text(address, bytes uint32) string {
	if bytes == 0 {
		return ""
	}
	return unsafe.String((*byte)(Pointer(address)), bytes)
}

// List is the list at an address, whose elements have the same form in Go, not copied.
func List[T any](address, length uint32) []T {
	if length == 0 {
		return nil
	}
	return unsafe.Slice((*T)(Pointer(address)), length)
}

// LoadText reads where a text lies, and takes it.
func LoadText(base unsafe.Pointer, offset uintptr) string {
	return Text(*At[uint32](base, offset), *At[uint32](base, offset+4))
}

// LoadList is the same for a list.
func LoadList[T any](base unsafe.Pointer, offset uintptr) []T {
	return List[T](*At[uint32](base, offset), *At[uint32](base, offset+4))
}

// Elements reads a list of what has another form in Go, an element of `size` bytes each.
func Elements[T any](address, length uint32, size uintptr, load func(unsafe.Pointer) T) []T {
	if length == 0 {
		return nil
	}
	all := make([]T, length)
	for at := range all {
		all[at] = load(Pointer(address + uint32(at)*uint32(size)))
	}
	return all
}

// StoreText says where a text lies, and keeps it.
func StoreText(base unsafe.Pointer, offset uintptr, text string) {
	*At[uint32](base, offset) = Address(KeepText(text))
	*At[uint32](base, offset+4) = uint32(len(text))
}

// StoreList is the same for a list whose elements have the same form in Go.
func StoreList[T any](base unsafe.Pointer, offset uintptr, list []T) {
	*At[uint32](base, offset) = Address(KeepList(list))
	*At[uint32](base, offset+4) = uint32(len(list))
}

// KeepText keeps a text, and answers where it lies.
func KeepText(text string) unsafe.Pointer {
	if text == "" {
		return unsafe.Pointer(&nowhere)
	}
	at := unsafe.Pointer(unsafe.StringData(text))
	Keep(at)
	return at
}

// KeepList is the same for a list whose elements have the same form in Go.
func KeepList[T any](list []T) unsafe.Pointer {
	if len(list) == 0 {
		return unsafe.Pointer(&nowhere)
	}
	at := unsafe.Pointer(unsafe.SliceData(list))
	Keep(at)
	return at
}

// KeepElements writes a list of what has another form in Go, and answers where.
func KeepElements[T any](list []T, size uintptr, store func(unsafe.Pointer, *T)) unsafe.Pointer {
	room := Room(len(list) * int(size))
	for at := range list {
		store(unsafe.Add(room, uintptr(at)*size), &list[at])
	}
	return room
}

// StoreElements says where it has written such a list.
func StoreElements[T any](base unsafe.Pointer, offset uintptr, list []T, size uintptr, store func(unsafe.Pointer, *T)) {
	*At[uint32](base, offset) = Address(KeepElements(list, size, store))
	*At[uint32](base, offset+4) = uint32(len(list))
}

// StoreOption writes what may be there: nothing for nil. `payload` is where the value stands behind `offset`.
func StoreOption[T any](base unsafe.Pointer, offset, payload uintptr, value *T, store func(unsafe.Pointer, *T)) {
	*At[uint8](base, offset) = 0
	if value != nil {
		*At[uint8](base, offset) = 1
		store(unsafe.Add(base, offset+payload), value)
	}
}

// Option reads what may be there: nil when it is not.
func Option[T any](base unsafe.Pointer, offset uintptr, load func(unsafe.Pointer) T) *T {
	if *At[uint8](base, offset) == 0 {
		return nil
	}
	value := load(unsafe.Add(base, offset))
	return &value
}

// OptionList is the same for a list: one that is there is not nil, also when it is empty.
func OptionList[T any](base unsafe.Pointer, offset uintptr, load func(unsafe.Pointer) []T) []T {
	if *At[uint8](base, offset) == 0 {
		return nil
	}
	if list := load(unsafe.Add(base, offset)); list != nil {
		return list
	}
	return []T{}
}

// Lower is what may be there as two parameters.
func Lower[T any](value *T) (uint32, T) {
	if value == nil {
		var none T
		return 0, none
	}
	return 1, *value
}

// Bool is a truth as a parameter.
func Bool(value bool) uint32 {
	if value {
		return 1
	}
	return 0
}

// StoreBool writes a truth.
func StoreBool(base unsafe.Pointer, offset uintptr, value bool) {
	*At[uint8](base, offset) = uint8(Bool(value))
}

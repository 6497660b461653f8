// Uses whatever can be granted, and says in tags what came of it. The settings are the origin it asks, as a JSON text in a
// table: {"origin": "…"}.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"weir-sdk"
	"weir-sdk/host/clock"
	"weir-sdk/host/http"
	"weir-sdk/host/keyvalue"
	"weir-sdk/host/metrics"
	"weir-sdk/host/random"
	"weir-sdk/policy"
)

const schema = `{"type":"object","additionalProperties":false,"required":["origin"],"properties":{"origin":{"type":"string"}}}`

type granted struct {
	origin string
}

func (g *granted) Open(*weir.SessionInfo) error { return nil }

func (g *granted) Decide(operation *weir.Operation) (*weir.Decision, error) {
	decision := weir.Abstain()
	if !strings.Contains(operation.Text, "everything") {
		return decision, nil
	}
	weir.Log(weir.Warn, "größer \xff als ASCII")
	decision.Tag("later", fmt.Sprint(clock.MonotonicNs() <= clock.MonotonicNs()))
	decision.Tag("year", fmt.Sprint(1970+clock.UnixMs()/1000/60/60/24/366))
	decision.Tag("bytes", fmt.Sprint(len(random.Bytes(4096)), bytes.Equal(random.Bytes(16), random.Bytes(16))))
	metrics.Count("asked", 3)
	metrics.Gauge("half", 0.5)

	large := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	nothing, err := keyvalue.Get("nothing")
	decision.Tag("nothing", said(nothing == nil, err))
	err = errors.Join(keyvalue.Set("large", large, nil), keyvalue.Set("empty", nil, nil))
	kept, other := keyvalue.Get("large")
	decision.Tag("large", said(bytes.Equal(kept, large), errors.Join(err, other)))
	kept, err = keyvalue.Get("empty")
	decision.Tag("empty", said(kept != nil && len(kept) == 0, err))
	decision.Tag("delete", said(true, keyvalue.Delete("empty")))
	hour := uint64(3_600_000)
	_, err = keyvalue.Add("number", -7, &hour)
	sum, other := keyvalue.Add("number", 1<<40, nil)
	decision.Tag("sum", said(sum, errors.Join(err, other)))
	_, err = keyvalue.Add("large", 1, nil)
	decision.Tag("no-number", said(nil, err))

	answer, err := http.Send(http.Request{
		Method: "POST", URL: g.origin + "/score", Headers: [][2]string{{"x-one", "1"}, {"x-two", "zwei"}}, Body: large, TimeoutMs: 5000,
	})
	decision.Tag("answer", said(fmt.Sprint(answer.Status, " ", string(answer.Body)), err))
	for _, each := range answer.Headers {
		if each[0] == "x-answer" {
			decision.Tag("header", each[1])
		}
	}
	_, err = http.Send(http.Request{Method: "GET", URL: "http://127.0.0.1:1/"})
	decision.Tag("elsewhere", said(nil, err))
	return decision, nil
}

func said(what any, err error) string {
	if fault := (*weir.Fault)(nil); errors.As(err, &fault) {
		return fault.Code
	}
	return fmt.Sprint(what)
}

func init() {
	about := weir.About{Name: "granted", Version: "0.1.0", Description: "Uses all there is", SettingsSchema: schema}
	policy.Register(about, func(settings string) (weir.Policy, error) {
		return &granted{origin: strings.Trim(settings[strings.Index(settings, ":")+1:], " \"}")}, nil
	})
}

func main() {}

// The rules of the house, the same in every language: tests/languages/cases.jsonl says what they answer.
package main

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"weir-sdk"
	"weir-sdk/policy"
)

const everybody = "select * from customers"

type houseRules struct {
	isLead  bool
	isAgent bool
}

func (rules *houseRules) Open(session *weir.SessionInfo) error {
	rules.isLead = slices.Contains(session.Who.Groups, "leads")
	rules.isAgent = session.Who.Kind == "agent"
	return nil
}

func (rules *houseRules) Decide(operation *weir.Operation) (*weir.Decision, error) {
	decision := rules.verdict(operation).Tag("letters", strconv.Itoa(utf8.RuneCountInString(operation.Text)))
	for _, each := range operation.Objects {
		if strings.Contains(each, "api_keys") {
			decision.Finding("keys", each, 80)
		}
	}
	for _, each := range operation.Parameters {
		if each.Value == nil {
			decision.Finding("null-parameter", each.Name, 10)
		}
	}
	return decision, nil
}

func (rules *houseRules) verdict(operation *weir.Operation) *weir.Decision {
	isSalaries := func(object string) bool { return object[strings.LastIndexByte(object, '.')+1:] == "salaries" }
	if !rules.isLead && slices.ContainsFunc(operation.Objects, isSalaries) {
		return weir.Deny("salaries", "salaries are for the leads")
	}
	if class, _ := weir.AttributeOf(operation.Attributes, "sql-class"); class == "privilege-change" {
		return weir.Deny("privileges", "privileges are changed elsewhere")
	}
	if rules.isAgent && operation.Action != "read" && operation.Action != "session" {
		return weir.Hold("agent-change", "agents change nothing alone", "group:leads")
	}
	if operation.Text == everybody {
		return weir.Rewrite(everybody + " limit 100")
	}
	return weir.Abstain()
}

func init() {
	about := weir.About{Name: "house-rules", Version: "0.1.0", Description: "Salaries are for the leads, and agents change nothing alone"}
	policy.Register(about, func(string) (weir.Policy, error) { return &houseRules{}, nil })
}

func main() {}

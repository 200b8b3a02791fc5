//go:build tools

// Package tools names the program that the tests build, so that go.mod and go.sum cover all that it needs.
package tools

import _ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"

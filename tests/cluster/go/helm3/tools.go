//go:build tools

// Package tools names the program that the tests build, so that go.mod and go.sum cover all that it needs.
package tools

import _ "helm.sh/helm/v3/cmd/helm"

//go:build tools

// Package tools names the programs that the tests build, so that go.mod and go.sum cover all that they need.
package tools

import (
	_ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
	_ "helm.sh/helm/v3/cmd/helm"
	_ "helm.sh/helm/v4/cmd/helm"
)

//go:build tools

// Package tools names the programs that the tests build, so that go.mod and go.sum cover all that they need.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kubectl"
)

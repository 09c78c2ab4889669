//go:build tools

// Package engine pins what the Pulumi engine is built from; nothing of it is ever compiled as a
// package of ours. The blank import keeps `go mod tidy` from dropping the requirement.
package engine

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"

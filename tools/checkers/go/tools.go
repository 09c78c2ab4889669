//go:build tools

// Package checkers pins what the checks of this repository are built from; nothing of it is ever
// compiled as a package of ours. The blank imports keep `go mod tidy` from dropping requirements.
package checkers

import (
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)

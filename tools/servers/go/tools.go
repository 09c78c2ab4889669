//go:build tools

// Package servers pins what the object-store test servers are built from; nothing of it is ever
// compiled as a package of ours. The blank imports keep `go mod tidy` from dropping requirements.
package servers

import (
	_ "github.com/fsouza/fake-gcs-server"
	_ "github.com/versity/versitygw/cmd/versitygw"
)
